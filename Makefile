TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Natively the replicator crate is empty: it exists for wasm.
NATIVE := --workspace

.PHONY: build demo test check figures

build:
	scripts/setup build
	cargo build $(NATIVE)

# A database survives the loss of its machine: half a minute to watch.
demo: build
	$(TARGET)/debug/demo

test: build
	scripts/setup test
	cargo nextest run $(NATIVE) --no-run
	$(TARGET)/debug/with-store cargo nextest run $(NATIVE)

check:
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings

# What replication costs the app, in one table.
figures: build
	scripts/setup test
	$(TARGET)/debug/figures
