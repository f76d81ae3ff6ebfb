"""Every bound of the product with its number. A limit that is not here does not exist."""

from __future__ import annotations

KEY_LENGTH = 40
APP_KEY_LENGTH = 20
LABEL_LENGTH = 200

BODY_BYTES = 8 * 1024 * 1024
BODY_DEPTH = 64
NUMBER_EXPONENT = 1_000  # of any number in JSON; what a field takes is far below
URL_BYTES = 32 * 1024
REQUEST_SECONDS = 60
STATEMENT_SECONDS = 20

PAGE_RECORDS = 500
PAGE_RECORDS_DEFAULT = 50
PAGE_SKIPPED = 100_000  # records before a numbered page; cursors have no such bound
BATCH_RECORDS = 10_000
CHILD_RECORDS = 500
IDEMPOTENCY_HOURS = 24  # how long the answer to an Idempotency-Key is kept
IDEMPOTENCY_KEY_LENGTH = 255
MERGED_RECORDS = 20  # into one at a time
DUPLICATE_CANDIDATES = 10  # that are shown
DUPLICATES_LOOKED_AT = 2_000  # records compared with a new one
DUPLICATE_RULES = 5  # of an entity
SORT_KEYS = 8
SEARCH_WORDS = 8
SEARCH_LENGTH = 200
SEARCH_INDEX_FROM = 20_000  # records of an entity: a setting
SEARCHED_FIELDS = 20  # of an entity that names none
VIEWS_PER_PERSON = 200  # in one app
SHARES_PER_PERSON = 500  # that can still be opened
SHARE_DAYS = 366  # until a share link ends
FORM_FILE_BYTES = 10 * 1024 * 1024  # one file that a stranger brings to a public form
FORM_SENDINGS = 1_000  # to one public form, from one address, in fifteen minutes
EXPAND_PATHS = 20
EXPAND_DEPTH = 3
QUERY_RELATIONS = 40  # joins of one query; SQLite takes 64 tables
FIELD_PATHS = 300
EVENTS_PAGE = 500
EVENTS_WAIT_SECONDS = 30  # of GET …/events?wait=
EVENTS_HELD = 1_000  # of an app that is followed, in memory
EVENTS_HELD_BYTES = 4 * 1024 * 1024
STREAM_PAGE = 50  # events that a stream sends at once
STREAMS = 10_000  # that one process serves
STREAMS_PER_PERSON = 100
STREAM_HEARTBEAT_SECONDS = 15
STREAM_STALL_SECONDS = 30  # a client that takes nothing for so long is cut off
COUNTED_RECORDS = 10_000  # how far count=estimated counts exactly
AREAS_PER_PERSON = 100
AREA_LENGTH = 100
CAUSATION_DEPTH = 8  # rounds of what follows from a write inside its transaction
RECOMPUTED_IN_WRITE = 10_000  # records over which a change spreads along one path inside its write; more are a job
RECOMPUTED_IN_PUBLISH = (
    100_000  # records of an entity whose computed fields are filled inside the publish; more are a job
)
RECOMPUTED_AT_ONCE = 2_000  # records in one transaction of such a job
RECOMPUTE_SOURCES = 10_000  # changed records that such a job remembers; beyond that it looks at the whole entity
GROUPS = 10_000
GROUPS_DEFAULT = 1_000
GROUP_KEYS = 8
MEASURES = 30
QUERY_HOPS = 5  # relations a path of a query may go over
VIOLATIONS_SHOWN = 100

ENTITIES_PER_APP = 300
GRANTS_PER_ROLE = 600
FIELDS_PER_ENTITY = 300
OPTIONS_PER_FIELD = 1_000
UNIQUES_PER_ENTITY = 20
RULES_PER_ENTITY = 50
FORMULA_LENGTH = 4_000
INDEXES_PER_ENTITY = 30

ACTIONS_PER_DOCUMENT = 30
AUTOMATION_DEPTH = 6  # automations that follow from each other, over transactions too; below CAUSATION_DEPTH
AUTOMATION_FAILURES = 5  # in a row; then it is switched off
AUTOMATION_RUN_DAYS = 90  # how long runs are kept
SCHEDULE_BATCH = 100  # records of a schedule's run in one transaction
SCHEDULE_SLOTS = 100  # missed times of a schedule that are made up for
HOOK_BYTES = 256 * 1024  # of an inbound message
HOOK_SECONDS = 300  # how far the clock of its sender may be off
HOOK_MISSES = 20  # wrong signatures a minute from one address; then it is not looked at for the rest of it
HOOK_FORMER_MINUTES = 24 * 60  # how long the former secret is taken after a change
EVENTS_FOLLOWED = 50  # of another app, in one transaction
SETTINGS_PER_ACTION = 100
FAN_OUT_RECORDS = 500  # of one action
STAGES = 60  # of a pipeline
NODES_PER_STAGE = 60
TRANSITIONS = 200  # of a pipeline
GUARDS_PER_LIST = 50
HINTS_PER_STAGE = 20
MOVED_AT_ONCE = 500  # records of one bulk transition
TODO_ITEMS = 100  # of a refused move
APPROVAL_STEPS = 30
APPROVERS_PER_STEP = 50

TEXT_LENGTH = 1_000
LONG_TEXT_LENGTH = 100_000
PATTERN_LENGTH = 500
DECIMAL_DIGITS = 18
EXACT_NUMBER_DIGITS = 15  # what an IEEE double carries; above it a decimal travels as a string
SAFE_INTEGER = 2**53 - 1
URL_LENGTH = 2_000
RICH_TEXT_LENGTH = 200_000
SET_MEMBERS = 200
TAG_LENGTH = 100
DURATION_SECONDS = 10**10
COMPOSITE_PARTS = 12
LINK_ATTRIBUTES = 12  # of a multi_reference
BARCODE_LENGTH = 1_000
FILE_BYTES = 200 * 1024 * 1024  # the most that may be set
FILE_BYTES_DEFAULT = 50 * 1024 * 1024
FILE_NAME_LENGTH = 200
IMAGE_PIXELS = 50_000_000  # decoded: 200 MB of memory at the most
THUMBNAIL_SIDES = (80, 160, 320, 640, 1280)
JSON_FIELD_BYTES = 256 * 1024
JSON_FIELD_DEPTH = 32
JSON_FIELD_NUMBER_DIGITS = 40  # written out, before and after the point
JSON_SCHEMA_BYTES = 64 * 1024
JSON_SCHEMA_STEPS = 100_000  # keywords applied to one value

PACKAGE_FILES = 2_000
PACKAGE_BYTES = 64 * 1024 * 1024
PACKAGE_RATIO = 100  # unpacked bytes to packed bytes of one file; real documents stay below 30
CONNECTIONS = 200
CONNECTION_SECRET_LENGTH = 2_000
DIRECTORY_USERS = 20_000
DIRECTORY_DEPARTMENTS = 2_000
SHEET_BYTES = 8 * 1024 * 1024
SHEET_ROWS = 50_000
SHEET_COLUMNS = 200
SHEET_CELL_LENGTH = 32_767
EXPORT_ROWS = SHEET_ROWS  # what goes out can come back
EXPORT_CELLS = 1_000_000  # of an .xlsx: some 20 seconds of a processor
IMPORT_ROWS = 500  # of a sheet, in one transaction of the job that brings it in
SAMPLE_RECORDS_SHOWN = 10
CALENDAR_DAYS = 2_000  # of one calendar's document; of one import too
CALENDAR_SPANS = 6  # working spans of one day
REMINDER_STEPS = 10
REMINDER_TURNS = 30  # how often a step comes again
STREAK_LENGTH = 50
TIMER_BATCH_SQLITE = 50  # timers fired in one transaction where every other writer waits for its end
TIMER_BATCH = 500  # timers fired, or records armed anew, in one transaction
SCENARIO_CHAPTERS = 100
SCENARIO_STEPS = 500  # of a chapter, and given users or records of a scenario
SCENARIO_SECONDS = 60  # of real time that one scenario may take
