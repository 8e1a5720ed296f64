# `make` lists the targets: the text after "##" is their help.
GO       ?= go
FUZZTIME ?= 10s
CONFIG   ?= deploy/chronoops/chronoops.yml
ADDRESS  ?= 127.0.0.1:9847
# Major versions of PostgreSQL for test-postgres; for arm64 there are none before 15.
POSTGRES ?= 13 14 15 16 17 18
# Versions of Redis for test-redis; the path of a redis-server will do, too.
REDIS    ?= redis6 redis8 valkey8
# The race detector needs a C compiler; RACE= turns it off.
RACE     ?= $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

VERSION_PKG := github.com/prometheus/common/version
LDFLAGS     := -s -w \
	-X $(VERSION_PKG).Version=$(shell git describe --tags --always --dirty 2>/dev/null || echo unknown) \
	-X $(VERSION_PKG).Revision=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) \
	-X $(VERSION_PKG).Branch=$(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown) \
	-X $(VERSION_PKG).BuildDate=$(shell date -u +%Y%m%d-%H:%M:%S)

.DEFAULT_GOAL := help
.PHONY: help run build test test-endurance test-postgres test-redis prepare demo lint bench compare fuzz generate clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Build and start chronoops with the shipped configuration; repairs nothing, listens on loopback
	bin/chronoops serve --config.file=$(CONFIG) --web.listen-address=$(ADDRESS)

build: ## Build bin/chronoops
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(LDFLAGS)' -o bin/chronoops ./cmd/chronoops

prepare: ## Get the servers and exporters that tests and demo run (Debian packages, Prometheus family) into a cache
	@$(GO) run ./tools/prepare

test: prepare ## Run every test
	$(GO) vet ./...
	$(GO) test $(RACE) -timeout 15m ./...
	$(if $(RACE),$(GO) test -run TestKillAtEveryCall ./receiver/engine)

test-endurance: prepare ## Run the tests that look for growth over ten thousand scrapes, of which `make test` makes a tenth
	CHRONOOPS_ENDURANCE=1 $(GO) test -count 1 -timeout 15m -run ManyScrapes ./collector/postgres ./collector/redis

test-postgres: ## Run the tests of what talks to PostgreSQL against each version in POSTGRES
	@$(GO) run ./tools/prepare -all
	@set -e; for version in $(POSTGRES); do \
		echo "PostgreSQL $$version"; \
		export CHRONOOPS_POSTGRES=$$version; \
		$(GO) test -count 1 -timeout 15m ./collector/postgres ./receiver/action/postgres; \
		$(GO) test -count 1 -run 'Postgres|Standby' ./tools/stack; \
	done

test-redis: ## Run the tests of what talks to Redis against each version in REDIS
	@$(GO) run ./tools/prepare -all
	@set -e; for version in $(REDIS); do \
		echo "Redis $$version"; \
		export CHRONOOPS_REDIS=$$version; \
		$(GO) test -count 1 -timeout 15m ./collector/redis; \
		$(GO) test -count 1 -run Redis ./tools/stack; \
	done

demo: build prepare ## Break a real stack on loopback four ways and watch it being repaired
	@$(GO) run ./tools/demo -chronoops=bin/chronoops

lint: ## Run the linters of .golangci.yml
	$(GO) tool -modfile=tools/golangci-lint/go.mod golangci-lint run ./...

bench: build prepare ## Run the benchmarks and show the size of the binary
	$(GO) test -run '^$$' -bench . -benchmem ./...
	@ls -l bin/chronoops

compare: build prepare ## Measure chronoops beside the exporters (those of PEERS_DIR or PATH, else prepared ones); writes dist/compare
	@$(GO) run ./tools/compare -chronoops=bin/chronoops

fuzz: ## Run every fuzz target for FUZZTIME each
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

generate: ## Write the dashboards and the reference documents again
	$(GO) test ./dashboards -update
	$(GO) test ./cmd/chronoops -run 'Reference|Readme' -update

clean: ## Remove what was built here; the cache of prepared servers stays
	rm -rf bin dist
