# What people and CI run. `make` alone lists the targets.

PYTHON ?= python3
CARGO ?= cargo
# Which build of ONNX Runtime `make setup` fetches: cpu, cuda or openvino.
RUNTIME ?= cpu
# Where `make install` puts things.
PREFIX ?= /usr/local
# Where cargo leaves what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)
# The oldest glibc that ONNX Runtime's wheels run on; `make dist` links for it with zig.
GLIBC = 2.28
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
# Layers and name of `make graphs`.
STYLE_LAYERS ?=
CONTENT_LAYERS ?=
NAME ?=
# Flags of `make bench`.
BENCH ?=
# What `make fuzz` feeds: picture, settings, trace, graph or lists.
FUZZ ?= picture
# Longest side and number of iterations of the demo's picture: some minutes on two cores.
DEMO_SIZE ?= 448
DEMO_ITERATIONS ?= 150

# Tools and packages that set-up has installed; plugins of the user's own pytest stay out.
TOOLS = PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONPATH=scripts:runtime/python $(PYTHON) -m

# cargo-zigbuild and the zig that it calls, as set-up lays them.
ZIG = PATH="$(CURDIR)/runtime/zig/bin:$$PATH" PYTHONPATH="$(CURDIR)/runtime/zig"

.PHONY: help setup graphs demo test lint check bench device-check device-kit cluster-test fuzz looks gallery dist install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## fetch ONNX Runtime and the weights, export the graphs (RUNTIME=cpu|cuda|openvino)
	@$(PYTHON) scripts/setup.py --runtime $(RUNTIME)

graphs: setup ## export graphs of your own layers (STYLE_LAYERS=relu1_1,relu3_1 CONTENT_LAYERS=relu4_2 NAME=mine)
	@PYTHONPATH=scripts:runtime/python $(PYTHON) scripts/export_onnx.py --weights runtime/weights/vgg19.bin --out onnx \
		--style-layers "$(STYLE_LAYERS)" --content-layers "$(CONTENT_LAYERS)" --name "$(NAME)"
	@echo "paint with: impasto stylize CONTENT STYLE -o OUT --preset $(NAME)"

demo: setup ## paint the photo of a cat in the style of a painting
	$(CARGO) build --release
	@mkdir -p out
	$(TARGET)/release/impasto stylize runtime/demo/cat.png runtime/demo/painting.png -o out/demo.png \
		--size $(DEMO_SIZE) --iterations $(DEMO_ITERATIONS) --force
	@echo "The picture is out/demo.png, painted from runtime/demo/cat.png and runtime/demo/painting.png"

test: setup ## run all tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run; \
	else \
		set -x; $(CARGO) test --lib --bins --tests --examples; \
	fi
	$(CARGO) test --doc
	$(TOOLS) pytest tests/python

lint: setup ## check format, lints and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	$(TOOLS) ruff check scripts tests fuzz
	$(TOOLS) ruff format --check scripts tests fuzz

check: lint test ## what CI runs

bench: ## compare speed and memory with PyTorch and pastiche (BENCH="--curve 512", see scripts/bench.py --help)
	@$(PYTHON) scripts/setup.py --bench
	$(CARGO) build --release
	@CARGO="$(CARGO)" PYTHONPATH=scripts:runtime/bench:runtime/python $(PYTHON) scripts/bench.py $(BENCH)

device-check: setup ## measure what runs on an NVIDIA card, in eight minutes (RUNTIME=cuda; scripts/device_check.py --help)
	$(CARGO) build --release
	@$(PYTHON) scripts/device_check.py

device-kit: ## pack that check for a machine without make, network or cargo: 60 MB at most (scripts/device_kit.py)
	@$(PYTHON) scripts/setup.py --runtime cuda --kit
	$(CARGO) build --release
	@PYTHONPATH=runtime/kit $(PYTHON) scripts/device_kit.py --program $(TARGET)/release/impasto

cluster-test: setup ## paint as an array job of Slurm and with GNU parallel, killed in the middle (installs them as root)
	$(CARGO) build --release
	@$(PYTHON) scripts/cluster_test.py --program $(TARGET)/release/impasto

# Sanitizers are not stable yet, hence RUSTC_BOOTSTRAP.
fuzz: setup ## fuzz what reads pictures for ten minutes (FUZZ=settings, trace, graph or lists for others)
	@PYTHONPATH=runtime/python $(PYTHON) fuzz/corpus.py fuzz/corpus $(FUZZ)
	RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $(FUZZ) -- -max_total_time=600 -timeout=10 -rss_limit_mb=2048

looks: setup ## paint pairs by presets, weights and style losses and judge them, some three hours (LOOKS="--pair PHOTO PAINTING", see scripts/looks.py --help)
	@$(PYTHON) scripts/setup.py --plots
	$(CARGO) build --release
	@PYTHONPATH=runtime/plots $(PYTHON) scripts/looks.py $(LOOKS)

gallery: setup ## paint the pictures of docs/gallery anew
	$(CARGO) build --release
	@$(PYTHON) scripts/gallery.py

dist: setup ## pack program, ONNX Runtime, graphs and weights into one folder and a tar.gz in dist/
ifneq ($(findstring linux-gnu,$(HOST)),)
	@$(PYTHON) scripts/setup.py --runtime $(RUNTIME) --linker
	$(ZIG) $(CARGO) zigbuild --release --locked --target $(HOST).$(GLIBC)
	@$(PYTHON) scripts/dist.py --program $(TARGET)/$(HOST)/release/impasto --runtime $(RUNTIME)
else
	$(CARGO) build --release --locked
	@$(PYTHON) scripts/dist.py --program $(TARGET)/release/impasto --runtime $(RUNTIME)
endif

install: setup ## lay the same below PREFIX, /usr/local unless it is given
	$(CARGO) build --release --locked
	@$(PYTHON) scripts/dist.py --program $(TARGET)/release/impasto --runtime $(RUNTIME) --into "$(DESTDIR)$(PREFIX)"

clean: ## remove what was built and painted; what was downloaded stays in runtime/
	$(CARGO) clean
	rm -rf out dist .pytest_cache .ruff_cache
