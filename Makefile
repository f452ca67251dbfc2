TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Natively the replicator crate is empty: it exists for wasm.
NATIVE := --workspace

.PHONY: build edge demo demo-edge edge-figures test sim sim-days sim-short mutants fuzz check supply-chain advisories bench screenshots release static-test

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

# The components in a simulated world: crashes at every call of short stories, 5,000 stories with
# everything, and 1,000 of several instances at the edge. Seven minutes. It prints how to see what fails.
sim: build
	$(TARGET)/debug/sim --points
	$(TARGET)/debug/sim --seeds 5000
	$(TARGET)/debug/sim --edge --seeds 1000

# Twenty-four days of one app, with a fault and a restore each hour; Litestream restores, too. Six minutes.
sim-days: build
	scripts/setup test
	$(TARGET)/debug/sim --days 24

# Seeds that are always the same, and some that nobody has tried yet.
sim-short: build
	$(TARGET)/debug/sim --seeds 800
	$(TARGET)/debug/sim --seeds 200 --from $$(date +%s)
	$(TARGET)/debug/sim --edge --seeds 150

# Deliberate faults in the components: the simulator must find each. Three minutes, and a build.
mutants:
	scripts/setup build
	cargo build $(NATIVE) --bins --examples --features sim/mutants
	$(TARGET)/debug/sim --mutants --seeds 5000

# Made-up input for every reader: ten minutes each, two at a time.
fuzz:
	scripts/setup fuzz
	scripts/fuzz 600

check:
	cargo fmt --check
	cargo clippy $(NATIVE) --all-targets -- -D warnings

# What it is made of: licences and sources of all crates, and lists of them in target/sbom.
supply-chain:
	scripts/setup supply-chain
	scripts/supply-chain

# Known vulnerabilities of the crates, by the database at github.com/rustsec.
advisories:
	scripts/setup supply-chain
	cargo deny --all-features check advisories

# What is released and Litestream side by side, into docs/benchmarks: an hour and a half.
# ROWS="lag restore" only prints these; `target/debug/bench list` names them all.
bench: build
	scripts/setup test
	scripts/release --here
	SEAWALL_BIN=$(CURDIR)/dist/image/seawall $(TARGET)/debug/bench $(or $(ROWS),--write docs/benchmarks)

# How fast a database in a bucket is, and what it reads. Five minutes.
edge-figures: build
	scripts/setup test
	$(TARGET)/debug/edge-figures

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
