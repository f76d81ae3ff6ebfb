"""What several kinds of tests share: databases and the like. Not a place for assertions."""

import sys

# Some machines forbid it, and every server that a test starts then compiles 600 files anew: a third of its start.
sys.dont_write_bytecode = False
