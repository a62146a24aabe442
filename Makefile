# What a developer needs. Every target makes its own environment in .venv; nothing outside this directory is changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PACKAGES := python3 python3-venv make
S3_VENV := .venv-s3
S3_STAMP := $(S3_VENV)/.installed
RGW := .radosgw
RGW_STAMP := $(RGW)/.unpacked
RGW_PACKAGES := radosgw ceph-mon ceph-osd
TOOLS_VENV := .venv-tools
TOOLS_STAMP := $(TOOLS_VENV)/.installed
CORPUS_STAMP := $(VENV)/.installed-corpus
BENCH_STAMP := $(VENV)/.installed-bench
CRT := .awscrt
RIG_PACKAGES := nginx-light aria2 curl wget
SEED ?= 1
SECONDS ?= 600
MOMENTS ?= 1000
POINTS ?= 60
SCHEDULES ?= 5000
DOCUMENTS ?= 20000

.DEFAULT_GOAL := help
.PHONY: help demo test test-browser test-s3 test-rgw test-rclone test-image lock check corpus corpus-report bench-verify fuzz bench bench-quick bench-latency bench-clients bench-manifest bench-steps bench-duties bench-bookkeeping rig bench-start bench-listing bench-growth bench-pace bench-memory bench-deadlines bench-audit bench-reconcile year format clean python
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## archive a sandbox provider's recordings, without account or network
	@$(BIN)/archiver demo

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -q -n logical --dist worksteal

test-s3: $(STAMP) $(S3_STAMP) ## the store's contract and the stories of retention on LocalStack's S3, which enforces
	@ARCHIVER_TEST_LOCALSTACK=$(CURDIR)/$(S3_VENV)/bin/python $(BIN)/python -m pytest -q \
	  tests/store/test_contract.py tests/store/test_locks.py tests/store/test_versions.py tests/s3

test-rgw: $(STAMP) $(RGW_STAMP) ## the same on Debian 12's radosgw (Ceph 16), where apt has it; nothing is installed
	@ARCHIVER_TEST_RADOSGW=$(CURDIR)/$(RGW) $(BIN)/python -m pytest -q \
	  tests/store/test_contract.py tests/store/test_signatures.py tests/store/test_locks.py tests/store/test_versions.py tests/s3

test-rclone: $(BENCH_STAMP) ## the store's contract on rclone serve s3, as far as it goes: it checks every signature
	@ARCHIVER_TEST_RCLONE=$(CURDIR)/$(BIN)/rclone $(BIN)/python -m pytest -q \
	  tests/store/test_contract.py tests/store/test_signatures.py

test-image: $(STAMP) ## the Dockerfile's own steps, in a directory: what they install runs as nobody from a read-only tree
	@$(BIN)/python -m tests.deploy.rehearse_image

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(if $(UPGRADE),--upgrade)
SHIPPED = --constraints requirements.lock --constraints requirements-build.lock
lock: | $(BIN)/python ## write down every version and hash: of the image, of the tests, of the S3 server (UPGRADE=1: the newest ones)
	@$(BIN)/python -m pip install --quiet --quiet --no-input 'uv>=0.5'
	@$(LOCK) pyproject.toml --output-file requirements.lock
	@sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(LOCK) - --output-file requirements-build.lock
	@$(LOCK) pyproject.toml --extra dev $(SHIPPED) --output-file requirements-dev.lock
	@$(LOCK) tests/s3/requirements.txt --output-file tests/s3/requirements.lock

test-browser: $(STAMP) ## the report in headless Chromium (Debian, Ubuntu: apt-get install chromium chromium-driver)
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  echo "make: chromium or chromedriver is missing. Debian, Ubuntu: apt-get install chromium chromium-driver" >&2; \
	  exit 1; }
	@$(BIN)/python -m pytest -q tests/report

check: $(STAMP) ## formatting, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

corpus: $(CORPUS_STAMP) ## good and damaged audio files in corpus/, made by real encoders (SEED=1)
	@$(BIN)/python -m tools.corpus build --folder corpus --seed $(SEED)

corpus-report: $(CORPUS_STAMP) ## what verification catches of the corpus, beside the naive check and other judges (QUICK=1: without)
	@test -d corpus || $(MAKE) --no-print-directory corpus
	@$(BIN)/python -m tools.corpus report --folder corpus $(if $(QUICK),,--others)

bench-verify: $(STAMP) ## CPU time of verification per file, by size and level
	@$(BIN)/python -m benchmarks.verify

fuzz: $(STAMP) ## mutants of real audio at the verifier for SECONDS=600, then 20,000 malformed documents of the API (SEED=1)
	@$(BIN)/python -m tests.faults fuzz --seconds $(SECONDS) --documents $(DOCUMENTS) --seed $(SEED)

bench: $(BENCH_STAMP) rig ## this program beside rclone, curl, aria2, wget, s5cmd, boto3 on the same files: recordings/s, CPU, memory
	@$(BIN)/python -m benchmarks.compare --plot docs/performance.svg --docs docs/performance.md

bench-quick: $(BENCH_STAMP) rig ## the same with few recordings and two rounds, under two minutes
	@$(BIN)/python -m benchmarks.compare --quick

bench-latency: $(BENCH_STAMP) rig ## 1, 20 and 100 ms away: as many in flight as prove worth it, beside 8, 32 and 128; two minutes
	@$(BIN)/python -m benchmarks.latency

bench-clients: $(BENCH_STAMP) $(CRT)/.installed rig ## one GET and two puts a recording with each HTTP client that could do it
	@PYTHONPATH=$(CRT) $(BIN)/python -m benchmarks.clients

# Names everything that is missing at once; only nginx is needed, peers that are not there are named and left out.
rig:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; missing=; \
	for program in nginx aria2c curl wget; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	test -z "$$missing" || echo "make: not found:$$missing. Debian, Ubuntu: apt-get install $(RIG_PACKAGES)" >&2; \
	command -v nginx >/dev/null

.PHONY: crash soak
crash: $(STAMP) ## SIGKILL at every step and at MOMENTS=1000 random moments, POINTS=60 failing system calls, independent check (SEED=1)
	@$(BIN)/python -m tests.faults crash --moments $(MOMENTS) --points $(POINTS) --seed $(SEED)

soak: $(STAMP) ## SCHEDULES=5000 of a bad network before API, audio and bucket (SEED=1)
	@$(BIN)/python -m tests.faults soak --schedules $(SCHEDULES) --seed $(SEED)

# Tools for looking at the project, in an environment of their own: what they need is no business of the program's.
.PHONY: mutants audit-deps sbom
mutants: $(TOOLS_STAMP) ## mutation testing of lifecycle, verdict, keys and redaction: killed and survived, as JSON
	@rm -rf mutants
	@$(TOOLS_VENV)/bin/mutmut run --max-children 2 >mutants.log 2>&1 || { tail -n 20 mutants.log >&2; exit 1; }
	@$(TOOLS_VENV)/bin/mutmut export-cicd-stats >/dev/null && cat mutants/mutmut-cicd-stats.json && echo

audit-deps: $(TOOLS_STAMP) ## known vulnerabilities of what is locked (asks pypi.org)
	@$(TOOLS_VENV)/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

sbom: $(TOOLS_STAMP) ## dist/sbom.json: what is locked, as CycloneDX
	@mkdir -p dist
	@$(TOOLS_VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json

bench-start: $(STAMP) ## what starting costs: --help, --version, a run with nothing to do; seconds and CPU
	@$(BIN)/python -m benchmarks.start

bench-listing: $(STAMP) ## what a listed row costs, from the answer to the queue, in each dialect: CPU in µs
	@$(BIN)/python -m benchmarks.listing

bench-manifest: $(STAMP) ## 1,000,000 rows: --help, status, a run with nothing to do, and which statements go over all rows
	@$(BIN)/python -m benchmarks.manifest

bench-duties: $(BENCH_STAMP) rig ## CPU of each duty by itself: digests, verification, sidecar, manifest, one GET, two puts
	@$(BIN)/python -m benchmarks.duties

bench-bookkeeping: $(STAMP) ## CPU of a run besides its duties, by part: tasks, slots, queue, order of writes, what is told
	@$(BIN)/python -m benchmarks.bookkeeping

bench-steps: $(STAMP) ## CPU of the manifest per recording: listed, looked up, uploaded, sealed, seen again
	@$(BIN)/python -m benchmarks.manifest_steps

bench-growth: $(BENCH_STAMP) rig ## CPU and memory from 1,000 to 50,000 recordings in a run, and on 1,000,000 rows: about eight minutes (QUICK=1)
	@$(BIN)/python -m benchmarks.growth $(if $(QUICK),--quick)

bench-pace: $(STAMP) ## a paged tenant of 1,000 GETs a minute: do transfers starve, do links wait: about six minutes
	@$(BIN)/python -m benchmarks.pacing

bench-memory: $(BENCH_STAMP) rig ## 3,000 recordings of a real size mix, then one of 1.5 GB, under a budget of 256 MiB: peak memory
	@$(BIN)/python -m benchmarks.memory

bench-deadlines: $(STAMP) ## 5,000 links that die after 60 s, 4 slow transfers: about five minutes
	@$(BIN)/python -m benchmarks.runs

bench-audit: $(STAMP) ## an audit of 10,000 and 100,000 objects in a directory, and of 200,000 of one day: peak memory, objects/s
	@$(BIN)/python -m benchmarks.audit

bench-reconcile: $(STAMP) ## 10,000 calls a day without keys against their recordings: precision, recall, seconds (SETTING=usual)
	@$(BIN)/python -m benchmarks.reconcile $(if $(SETTING),--setting $(SETTING))

year: $(STAMP) ## 1,000 simulated daily runs, with everything that goes wrong in them (SEED=1)
	@YEAR_DAYS=1000 YEAR_BUSY=6 YEAR_SEED=$(SEED) $(BIN)/python -m pytest -q tests/simulation

format: $(STAMP) ## format, and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove the environment and every cache
	rm -rf $(VENV) $(S3_VENV) $(RGW) $(CRT) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Says what is missing, and how to get it, before pip or venv fail in their own words.
python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: $(PYTHON) was not found. Debian, Ubuntu: apt-get install $(PACKAGES)" >&2; \
	  echo "make: for another interpreter: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "make: Debian 12, Ubuntu 24.04 and later: apt-get install $(PACKAGES)" >&2; \
	  echo "make: for another interpreter: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: $(PYTHON) comes without venv. Debian, Ubuntu: apt-get install $(PACKAGES)" >&2; exit 1; }

$(BIN)/python: | python
	@$(PYTHON) -m venv $(VENV)

# pip's notices are not errors, its warnings about the index are not ours to mend: both stay quiet, errors do not.
# What is installed is named with its hash; what pyproject.toml asks for beyond that is told, and no test begins.
PIP = PIP_DISABLE_PIP_VERSION_CHECK=1 $(1)/bin/python -m pip install --quiet --quiet --no-input
$(STAMP): pyproject.toml requirements-dev.lock | $(BIN)/python
	@echo "setting up $(VENV)" >&2
	@$(call PIP,$(VENV)) --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m tools.locks
	@$(call PIP,$(VENV)) --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(CORPUS_STAMP): $(STAMP)
	@$(call PIP,$(VENV)) -e '.[corpus]'
	@touch $@

$(S3_STAMP): tests/s3/requirements.lock | python
	@echo "setting up $(S3_VENV)" >&2
	@test -x $(S3_VENV)/bin/python || $(PYTHON) -m venv $(S3_VENV)
	@$(call PIP,$(S3_VENV)) --require-hashes -r $<
	@touch $@

# What apt would install, unpacked into a directory instead: neither root nor a change of the machine is needed.
$(RGW_STAMP):
	@for program in apt-get apt-cache dpkg /usr/bin/python3; do command -v $$program >/dev/null || { \
	  echo "make: $$program was not found: radosgw is taken from the packages of Debian 12" >&2; exit 1; }; done
	@apt-cache policy radosgw | grep -q 'Candidate: 16\.' || { \
	  echo "make: apt offers no radosgw 16, which these tests know (Debian 12; its lists come with apt-get update)" >&2; exit 1; }
	@echo "unpacking $(RGW_PACKAGES) into $(RGW)" >&2
	@rm -rf $(RGW) && mkdir -p $(RGW)/packages
	@apt-get install --simulate --no-install-recommends $(RGW_PACKAGES) | awk '/^Inst/ {print $$2}' >$(RGW)/names
	@cd $(RGW)/packages && xargs apt-get download -qq -o APT::Sandbox::User=root <../names
	@for package in $(RGW)/packages/*.deb; do dpkg -x $$package $(RGW) || exit 1; done
	@rm -r $(RGW)/packages
	@touch $@

$(BENCH_STAMP): $(STAMP)
	@$(call PIP,$(VENV)) -e '.[bench]'
	@touch $@

# By itself: botocore loads awscrt wherever it finds it, and everything else is measured without.
$(CRT)/.installed: $(BENCH_STAMP)
	@$(call PIP,$(VENV)) --upgrade --target $(CRT) 'awscrt>=0.38'
	@touch $@

$(TOOLS_STAMP): pyproject.toml requirements-dev.lock | python
	@test -x $(TOOLS_VENV)/bin/python || $(PYTHON) -m venv $(TOOLS_VENV)
	@$(call PIP,$(TOOLS_VENV)) --require-hashes -r requirements-dev.lock
	@$(call PIP,$(TOOLS_VENV)) 'mutmut==3.8.1' 'pip-audit>=2.10' 'cyclonedx-bom>=7' -e .
	@touch $@
