# `make train` and `make test` work on a fresh machine with Python 3.11: each makes .venv first.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock

# The browser tests drive the machine's own Chromium; without one they are left out, and the run says so.
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
# Prometheus's own checker reads the alert rules, in the same way.
PROMTOOL := $(shell command -v promtool)
MISSING := $(if $(CHROMIUM),,and not browser) $(if $(PROMTOOL),,and not promtool)
# Without the first "and"; an empty expression leaves nothing out.
# The long files first, so that neither of the two is left waiting at the end.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "$(wordlist 2,6,$(MISSING))"

.PHONY: train test story test-stacks test-airflow test-cluster lint browser promtool format lock clean

train: .venv/.runtime
	$(BIN)/python run.py --pipeline train

test: .venv/.dev lint
	@$(if $(CHROMIUM),:,echo "No Chromium on the PATH: the browser tests are left out. 'make browser' installs it on Debian.")
	@$(if $(PROMTOOL),:,echo "No promtool on the PATH: the alert rules' own tests are left out. 'make promtool' installs it on Debian.")
	$(PYTEST)

# The whole loop on the bundled sample, told as it happens: drift, alert, retraining, take-over; and two more long ways
# through run.py. 3-6 minutes.
story: .venv/.dev
	$(BIN)/python -m pytest tests/story -s --timeout 600

# The stacks against S3 (moto), MLflow on PostgreSQL, and the Docker daemon when it has the training image; Terraform
# against a stand-in for AWS (moto); 10-20 minutes.
IMAGE ?= $(or $(SENTIMENT_TRAINING_IMAGE),sentiment-training:local)
DOCKER = $(shell docker image inspect --format yes $(IMAGE) 2>/dev/null)
TERRAFORM := $(shell command -v terraform)
LEFT_OUT = $(if $(DOCKER),,and not docker) $(if $(filter 0,$(shell id -u)),,and not root) \
  $(if $(TERRAFORM),,and not terraform)

test-stacks: .venv/.stacks
	@$(if $(DOCKER),:,echo "No Docker image $(IMAGE): the docker stack is left out. docs/stacks/docker.md builds it.")
	@$(if $(findstring not root,$(LEFT_OUT)),echo "Not root: the full disk is left out.",:)
	@$(if $(TERRAFORM),:,echo "No terraform on the PATH: deploy/terraform is left out.")
	$(BIN)/python -m pytest tests/stacks --timeout 1200 -m "not browser $(LEFT_OUT)"

# On the cluster of KUBECONFIG, with the images named as tests/cluster/conftest.py says.
test-cluster: .venv/.stacks
	$(BIN)/python -m pytest tests/cluster -x -s --durations=0

# The DAG of deploy/airflow in a real Airflow, which has an environment of its own: the two do not resolve together.
test-airflow: .venv/.dev .venv/airflow/.installed
	AIRFLOW=$(CURDIR)/.venv/airflow/bin/airflow $(BIN)/python -m pytest tests/airflow/run_dag.py

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

browser:
	apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk

# The program alone: Debian's package would also start a server.
promtool:
	apt-get update -qq && cd "$$(mktemp -d)" && apt-get download -qq prometheus && dpkg-deb --extract *.deb . && \
	  install usr/bin/promtool /usr/local/bin/promtool

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Run after changing a requirements file, in a fresh .venv.
lock:
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements-dev.txt -r requirements-cloud.txt
	$(BIN)/pip freeze --exclude pip --exclude setuptools | sed 's/+cpu$$//' > requirements.lock

.venv/.python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name it with make PYTHON=..."; exit 2; }
	@echo "Making .venv and installing the pinned requirements (a few minutes, once) ..."
	$(PYTHON) -m venv .venv
	touch $@

.venv/.runtime: .venv/.python requirements.txt requirements.lock
	$(INSTALL) -r requirements.txt
	touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	touch $@

.venv/.stacks: .venv/.dev requirements-stacks.txt requirements-cloud.txt
	$(INSTALL) -r requirements-stacks.txt
	touch $@

.venv/airflow/.installed: .venv/.python deploy/airflow/requirements.txt
	$(PYTHON) -m venv .venv/airflow
	.venv/airflow/bin/pip install --quiet --disable-pip-version-check -r deploy/airflow/requirements.txt
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
