"""`python -m formulas`: see `formulas.batch`."""

import sys

from formulas.batch import main

sys.exit(main())
