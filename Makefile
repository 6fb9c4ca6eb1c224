# parley: `make run` on a fresh machine with Go, a C compiler, Node.js with npm
# and make ends with a working page; `make test` passes all tests there. Both get
# what they need themselves. `make help` lists everything.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)
# What the tests speak S3 with, built from its Go module: a server of its own, not ours.
VERSITYGW_VERSION := $(shell sed -n 's/.*S3Version = "\(.*\)"$$/\1/p' internal/testkit/private/s3.go)
VERSITYGW := .cache/bin/versitygw-$(VERSITYGW_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)

# Folders whose npm parts the tests use. Each has a committed package-lock.json.
NPM_DIRS := $(patsubst %/package-lock.json,%,$(wildcard package-lock.json clients/*/package-lock.json clients/*/*/package-lock.json internal/testkit/*/package-lock.json))
NPM_DIRS := $(patsubst package-lock.json,.,$(NPM_DIRS))

GO_TEST := go test -race -timeout 20m

# Usage: $(say) "text"
say = @printf '==> %s\n'

.PHONY: help
help: ## List what can be made
	@echo "parley: a GraphQL API for AI work that outlives a request"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Settings are environment variables (PARLEY_LISTEN, DATABASE_URL, ...); 'bin/parley config' prints them."

# --- running -------------------------------------------------------------------

.PHONY: run
run: build ## Build parley and serve it with everything embedded, at http://localhost:8080
	$(say) "Starting parley. Ctrl-C stops it; its data is kept in $(or $(PARLEY_DATA),./var)."
	@echo "    The page will be at http://$(or $(PARLEY_LISTEN),localhost:8080)/ and GraphiQL at /graphiql on it."
	@exec ./bin/parley serve $(ARGS)

.PHONY: up
up: ## Run parley with PostgreSQL, Redis and NATS in containers (needs Docker)
	@PARLEY_VERSION='$(VERSION)' docker compose up --build

.PHONY: build
build: deps ## Build bin/parley (and get ONNX Runtime)
	$(say) "Building bin/parley. The first time takes a few minutes: SQLite is compiled from C."
	@go build -trimpath -ldflags '$(LDFLAGS)' -o bin/parley ./cmd/parley

.PHONY: deps
deps: tools-check node_modules/.stamp ## Get ONNX Runtime's library from npm

# The stamp lies inside node_modules, so that removing the folder brings it back.
%/node_modules/.stamp node_modules/.stamp: DIR = $(patsubst %/node_modules/.stamp,%,$(patsubst node_modules/.stamp,.,$@))
node_modules/.stamp: package.json package-lock.json
	$(npm-ci)
%/node_modules/.stamp: %/package.json %/package-lock.json
	$(npm-ci)

define npm-ci
	$(say) "Getting the npm packages of $(DIR)/ (once; install scripts stay off)"
	@cd $(DIR) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || { \
		echo "make: npm could not get the packages of $(DIR)/. Is the npm registry reachable from here?" >&2; exit 1; }
	@touch $@
endef

.PHONY: tools-check
tools-check:
	@scripts/tools.sh

# --- generating ----------------------------------------------------------------

.PHONY: generate
generate: tools-check ## Run the code generators (ent, then gqlgen)
	$(say) "Generating code: ent, then gqlgen"
	@go generate .

.PHONY: migration
migration: test-servers ## Write the next database migration: make migration NAME=what_changes
	@[ -n "$(NAME)" ] || { echo "make: give the migration a name: make migration NAME=what_changes" >&2; exit 1; }
	$(say) "Writing what ent/schema says beyond ent/migrate, for both databases"
	@.cache/bin/services go run ./ent/migrate/diff -name "$(NAME)"

.PHONY: web
web: tools-check web/graphiql/node_modules/.stamp ## Rebuild the GraphiQL page that the binary embeds
	$(say) "Building web/graphiql into internal/server/pages/dist"
	@cd web/graphiql && npm run --silent build

# --- testing -------------------------------------------------------------------

.PHONY: test
test: test-deps ## Run all tests, with real PostgreSQL, Redis and NATS (gets them first)
	$(say) "Testing with the race detector; PostgreSQL, Redis and NATS are private and end with the tests"
	@echo "    A package is named when its tests are done. The first time, compiling takes some minutes before that."
	@PARLEY_TEST_REQUIRE=1 .cache/bin/services $(GO_TEST) $(or $(PKG),./...)

.PHONY: test-fast
test-fast: ## Run the Go tests alone; what needs a missing server is skipped
	@go test $(or $(PKG),./...)

.PHONY: test-deps
test-deps: deps test-servers $(NPM_DIRS:%=%/node_modules/.stamp) ## Get what the tests need: servers, a browser, npm packages
	@true

.PHONY: fault
fault: test-deps ## Kill and restart processes, NATS and sockets under real clients; count lost events
	$(say) "Testing live delivery under faults, some minutes; PARLEY_FAULT_SEED=n repeats a run, PARLEY_FAULTS=n changes its length"
	@PARLEY_TEST_REQUIRE=1 PARLEY_FAULTS=$(or $(PARLEY_FAULTS),200) PARLEY_RACE_RUNS=$(or $(PARLEY_RACE_RUNS),10000) \
		PARLEY_STALLED_READERS=$(or $(PARLEY_STALLED_READERS),1000) \
		.cache/bin/services go test -count 1 -v -parallel 1 -timeout 20m ./e2e/fault
	$(say) "Killing workers at random words of their work, some minutes"
	@PARLEY_TEST_REQUIRE=1 PARLEY_KILLS=$(or $(PARLEY_KILLS),100) go test -count 1 -v -timeout 20m -run TestKilledWorkers ./worker/model

.PHONY: oracle
oracle: tools-check ## Make the golden files again with the reference libraries and tell what differs (needs Python 3.11)
	$(say) "Asking the reference libraries: $(or $(ONLY),all of oracle/). Their packages take some GB in .cache/oracle"
	@oracle/oracle.sh $(ONLY)

.PHONY: test-servers
test-servers: .cache/bin/nats-server $(VERSITYGW) | tools-check
	@scripts/servers.sh
	@go build -o .cache/bin/services ./internal/testkit/cmd/services

# Built from the module that go.mod pins, and again when that changes.
.cache/bin/nats-server: go.mod
	$(say) "Building nats-server from its Go module"
	@mkdir -p $(@D)
	@go build -o $@ github.com/nats-io/nats-server/v2 && touch $@

$(VERSITYGW): | tools-check
	$(say) "Building versitygw $(VERSITYGW_VERSION), an S3 server, from its Go module (once; some minutes)"
	@mkdir -p $(@D)
	@GOBIN=$(CURDIR)/.cache/bin GOFLAGS= go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	@mv .cache/bin/versitygw $@

.PHONY: bench
bench: test-deps build ## Measure speed; results go to docs/benchmarks.md
	@if [ ! -d bench ]; then echo "make: there is no bench/ yet" >&2; exit 1; fi
	$(say) "Measuring. Close other programs: the load tool shares the cores."
	@.cache/bin/services go run ./bench $(or $(ARGS),-write docs/benchmarks.md)

.PHONY: bench-worker
bench-worker: build bench/worker/js/node_modules/.stamp ## Measure models beside transformers.js and hugot; goes to docs/benchmarks.md
	$(say) "Building what is measured beside parley (once; some minutes)"
	@mkdir -p .cache/bench-worker
	@bench/worker/hugot/build.sh .cache/bench-worker
	$(say) "Measuring, about twenty minutes, with ARGS=-quick about six. Close other programs."
	@go run ./bench/worker $(or $(ARGS),-write docs/benchmarks.md)

# --- keeping it clean ----------------------------------------------------------

.PHONY: lint
lint: $(GOLANGCI) ## Check style and the direction of dependence
	$(say) "Linting with golangci-lint $(GOLANGCI_VERSION)"
	@$(GOLANGCI) run ./...

$(GOLANGCI): | tools-check
	$(say) "Building golangci-lint $(GOLANGCI_VERSION) (once; some minutes)"
	@mkdir -p $(@D)
	@GOBIN=$(CURDIR)/.cache/bin GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .cache/bin/golangci-lint $@

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the Go code
	@$(GOLANGCI) fmt ./...

.PHONY: clean
clean: ## Remove what was built; var/ (data) and downloaded packages stay
	@rm -rf bin .cache/bin coverage.out
