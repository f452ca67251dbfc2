TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Natively the replicator crate is empty: it exists for wasm.
NATIVE := --workspace

.PHONY: build edge demo demo-edge edge-figures test check figures traffic many screenshots release static-test

# Examples want what tests want of each dependency: with them, wasmtime is compiled once for both.
build:
	scripts/setup build
	cargo build $(NATIVE) --bins --examples

# The component for Spin, `wasmtime serve` and their like: target/guest/seawall-edge.wasm.
edge:
	scripts/setup build
	scripts/edge

# A database survives the loss of its machine: half a minute to watch.
demo: build
	$(TARGET)/debug/demo

# One database in a bucket, two processes that write it: half a minute. STAY=1 keeps their pages open.
demo-edge: build edge
	scripts/setup test
	$(TARGET)/debug/demo-edge $(if $(STAY),--stay)

test: build edge
	scripts/setup test
	cargo nextest run $(NATIVE) --no-run
	$(TARGET)/debug/with-store cargo nextest run $(NATIVE)

check:
	cargo fmt --check
	cargo clippy $(NATIVE) --all-targets -- -D warnings

# What replication costs the app, in one table.
figures: build
	scripts/setup test
	$(TARGET)/debug/figures

# What an hour of HedgeDoc costs at the store: requests, bytes sent, bytes kept. Three minutes.
traffic: build
	scripts/setup test
	$(TARGET)/debug/traffic

# How fast a database in a bucket is, and what it reads. Five minutes.
edge-figures: build
	scripts/setup test
	$(TARGET)/debug/edge-figures

# What a hundred databases in one process cost. Four minutes.
many: build
	scripts/setup test
	$(TARGET)/debug/many

# The pictures of the status page in docs/images, of twenty minutes that are lived for them.
screenshots: build
	scripts/setup test
	scripts/setup pictures
	$(TARGET)/debug/screenshots

# What is released, in dist/. Everything is compiled a second time.
release:
	scripts/release $(or $(TAG),--here)

# The static program alone in an empty root, over TLS.
static-test: build
	scripts/setup test
	[ -x dist/image/seawall ] || scripts/release --here
	scripts/static-root
