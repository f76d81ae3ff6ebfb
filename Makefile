# Every developer command. They live in dev.py, which needs nothing but Python 3.11+; this file only names them.
# Arguments: make test ARGS="tests/unit -k clock"

PYTHON ?= python3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint types imports format lock bench docs samples setup clean

help: ## list the commands
	@$(PYTHON) dev.py help

run test lint types imports format lock bench docs samples setup clean:
	@$(PYTHON) dev.py $@ $(ARGS)
