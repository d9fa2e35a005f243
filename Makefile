# make help lists what can be asked for. Needed: Rust 1.95, a C compiler, make, perl; for `make test` also what
# tests/peers/README.md names.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CARGO ?= cargo
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cometbridge
CARGO_DENY_VERSION := 0.20.2

# On a CI machine the build survives the checkout; for everybody else target/ is where Cargo puts it.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(CACHE)/target
endif
TARGET := $(or $(CARGO_TARGET_DIR),target)

# librdkafka wants the headers of OpenSSL and zlib. Where they are missing, its own copies are built (needs perl).
has_openssl = (test -n "$${OPENSSL_DIR:-}" || pkg-config --exists openssl) && echo '\#include <openssl/ssl.h>' | $${CC:-cc} $${OPENSSL_DIR:+-I"$$OPENSSL_DIR/include"} -E -x c - -o /dev/null
has_zlib = echo '\#include <zlib.h>' | $${CC:-cc} -E -x c - -o /dev/null
FEATURES = $(shell exec 2>/dev/null; \
    if ! { $(has_zlib); }; then echo '--features portable'; \
    elif ! { $(has_openssl); }; then echo '--features vendored-tls'; fi)

# $(call step,NAME): which step runs; it is the last line to be seen when that step fails.
step = @printf '\n== %s ==\n' '$(1)'

.PHONY: help
help: ## What can be asked for
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Runs the bridge against a simulated contact centre; nothing else is needed
	$(CARGO) run --release --locked $(FEATURES) -- demo

.PHONY: build
build: ## The program for debugging: target/debug/cometbridge
	$(CARGO) build --locked $(FEATURES)

.PHONY: release
release: ## The program for others: OpenSSL and zlib linked in, target/release/cometbridge
	$(CARGO) build --release --locked --features portable

.PHONY: gssapi
gssapi: ## Whether it builds with Kerberos for Kafka; needs libsasl2-dev
	$(call step,gssapi)
	@if ! echo '#include <sasl/sasl.h>' | $${CC:-cc} -E -x c - -o /dev/null 2>/dev/null; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends libsasl2-dev; \
	    else \
	        echo 'the headers of Cyrus SASL are missing: sudo apt-get install -y --no-install-recommends libsasl2-dev' >&2; exit 1; \
	    fi; \
	fi
	$(CARGO) check --locked --features gssapi $(FEATURES)

.PHONY: fmt
fmt: ## Formats the sources
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml

.PHONY: fmt-check
fmt-check: ## Whether the sources are formatted
	$(call step,format)
	$(CARGO) fmt --all -- --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml -- --check

.PHONY: lint
lint: fmt-check ## Formatting, clippy and shellcheck, each without a warning
	$(call step,clippy)
	$(CARGO) clippy --all-targets --locked $(FEATURES) -- -D warnings
	$(call step,shellcheck)
	@if ! command -v shellcheck >/dev/null; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends shellcheck; \
	    else \
	        echo 'shellcheck is missing: sudo apt-get install -y --no-install-recommends shellcheck' >&2; exit 1; \
	    fi; \
	fi
	shellcheck .ci/run $$(find tests benches -name '*.sh' -not -path '*/node_modules/*')

# The program in the cache answers for itself: another version is replaced.
.PHONY: deny
deny: ## Licences, sources and banned crates (installs cargo-deny into the cache)
	$(call step,cargo deny)
	@if [ "$$('$(CACHE)/tools/bin/cargo-deny' --version 2>/dev/null)" != 'cargo-deny $(CARGO_DENY_VERSION)' ]; then \
	    echo 'installing cargo-deny $(CARGO_DENY_VERSION): some minutes, once'; \
	    CARGO_TARGET_DIR='$(CACHE)/tools/target' $(CARGO) install cargo-deny --version $(CARGO_DENY_VERSION) --locked --force --root '$(CACHE)/tools'; \
	    rm -rf '$(CACHE)/tools/target'; \
	fi
	PATH="$(CACHE)/tools/bin:$$PATH" $(CARGO) deny --locked check --hide-inclusion-graph bans licenses sources

.PHONY: peers
peers: ## Fetches and builds the servers that the tests run against
	$(call step,peers)
	tests/peers/setup.sh

.PHONY: unit
unit: ## Cargo's tests alone (the peers must be there)
	$(call step,cargo test)
	$(CARGO) test --locked $(FEATURES)
	$(call step,bench: idle (quick))
	$(CARGO) test --locked $(FEATURES) --bench idle -- --quick
	$(call step,bench: fleet (quick))
	$(CARGO) test --locked $(FEATURES) --bench fleet -- --quick
	$(call step,bench: sinks (quick))
	$(CARGO) test --locked $(FEATURES) --bench sinks -- --quick
	$(call step,bench: normalise (quick))
	$(CARGO) test --locked $(FEATURES) --bench normalise -- --quick

.PHONY: deploy-check
deploy-check: build ## What is under deploy/, and the Dockerfile, against the tools that will read it
	$(call step,deploy: systemd)
	tests/deploy/systemd.sh '$(TARGET)/debug/cometbridge'
	$(call step,deploy: kubernetes)
	tests/deploy/kubernetes.sh '$(TARGET)/debug/cometbridge'
	$(call step,deploy: dockerfile)
	tests/deploy/dockerfile.sh
	$(call step,deploy: prometheus)
	tests/deploy/prometheus.sh

# One after the other, whatever -j says: the steps share two cores and print their names.
.PHONY: test
test: ## Everything that must pass before a change is taken
	@for target in lint gssapi deny peers unit deploy-check; do $(MAKE) --no-print-directory "$$target" || { echo "make test: $$target failed" >&2; exit 1; }; done
	@printf '\nmake test: all passed\n'

# Its first build takes as long as a release build: it is no part of `make test`.
FUZZ_SECONDS ?= 180
.PHONY: fuzz
fuzz: ## Fuzzes the parsers of what others write, FUZZ_SECONDS=180 each (needs a C++ compiler)
	$(call step,fuzz)
	CARGO='$(CARGO)' FUZZ_FEATURES='$(FEATURES)' tests/fuzz/run.sh '$(FUZZ_SECONDS)'

# Tests read COMETBRIDGE_CAMPAIGN and take their full size. One at a time: each of them wants the machine for itself.
# What has passed for these sources is not repeated: started again, it goes on (tests/campaign.sh says more).
.PHONY: campaign
campaign: peers ## The full sizes, hours of them: resumable; each part's result is added to tests/CAMPAIGN.md
	$(call step,campaign)
	tests/campaign.sh $(CARGO) $(FEATURES)

.PHONY: clean
clean: ## Removes what was built; the cache of peers and tools stays
	$(CARGO) clean
