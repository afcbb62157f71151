# The commands of this project. `make demo` and `make test` do all the set-up they need.

CARGO ?= cargo
RELEASE_BIN := $(CURDIR)/target/release

.PHONY: demo test test-all lint docs no-std unit kernel fuzz-replay bench-smoke bench bench-compare setup

# A failover on real kernels, seen; and the same without us.
demo: setup
	$(CARGO) build --locked --release -p conntrackd -p netns-tests --bins
	FLOWTWIN_BIN_DIR=$(RELEASE_BIN) $(RELEASE_BIN)/demo

# All that CI runs.
test: setup lint docs no-std unit kernel fuzz-replay bench-smoke

# The same with every cell of the matrix: those too that wait for long timers. For the night.
test-all: export FLOWTWIN_ALL_CELLS = 1
test-all: test

# Debian packages: the stock programs are the peers of the tests.
setup:
	@tests/setup.sh

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

# The engine knows no socket, file, clock or thread: it builds where there is no std.
no-std:
	@rustup target list --installed 2>/dev/null | grep -qx x86_64-unknown-none || rustup target add x86_64-unknown-none
	$(CARGO) check --locked -p engine --target x86_64-unknown-none

# Everything but the tests on real kernels: units, properties, traces, 64 simulated clusters.
unit:
	$(CARGO) test --locked --workspace --exclude netns-tests

# On real kernels, beside the stock daemon, with the programs as they are shipped.
# The cells of the matrix wait more than they work: many at a time.
kernel:
	$(CARGO) build --locked --release -p conntrackd -p conntrack
	FLOWTWIN_BIN_DIR=$(RELEASE_BIN) $(CARGO) test --locked -p netns-tests -- --skip cells::
	FLOWTWIN_BIN_DIR=$(RELEASE_BIN) $(CARGO) test --locked -p netns-tests --test matrix -- --test-threads 8

fuzz-replay:
	$(CARGO) test --locked --manifest-path fuzz/Cargo.toml --no-default-features
	$(CARGO) check --locked --manifest-path fuzz/Cargo.toml --bins

# Each benchmark once, to see that it works.
bench-smoke:
	$(CARGO) bench --locked -p benches -- --test

bench:
	$(CARGO) bench --locked -p benches

# Our programs and the stock ones on the same load, in one run.
bench-compare: setup
	$(CARGO) build --locked --release -p conntrackd -p conntrack -p compare
	$(CARGO) run --locked --release -p compare
