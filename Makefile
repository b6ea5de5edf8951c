# What a person runs here. `make help` lists it.

CARGO ?= cargo
.DEFAULT_GOAL := help
.PHONY: help demo test check corpus bench floods memory faults live soak year ablation deb chart

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: ## replay the demo capture and print what Tapline makes of it
	@deploy/install-deps build
	@echo "make demo: building tapline (some minutes the first time)"
	@$(CARGO) build --release -p tapline
	@$(CARGO) run --release --quiet -p tapline -- replay testdata/demo.pcap
	@echo
	@echo "And with what the company declared about its APIs (testdata/demo.toml), what changed since yesterday:"
	@echo
	@rm -rf target/demo-store
	@$(CARGO) run --release --quiet -p tapline -- replay testdata/demo.pcap --config testdata/demo.toml --store target/demo-store \
	    > target/demo-summary.txt
	@$(CARGO) run --release --quiet -p tapline -- diff --store target/demo-store --since today

test: ## every test, against a real Kafka broker on loopback
	@deploy/install-deps test
	@deploy/kafka/broker fetch
	@deploy/validators/fetch || true
	$(CARGO) test --workspace --no-fail-fast

check: ## what must hold before a change goes in: format, lints, docs, tests, fuzz targets, licences
	@deploy/install-deps test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	@deploy/kafka/broker fetch
	@deploy/validators/fetch || true
	$(CARGO) test --workspace --no-fail-fast
	$(CARGO) test --manifest-path fuzz/Cargo.toml
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-5} fuzz/run
	@if command -v cargo-deny >/dev/null 2>&1; then \
	    $(CARGO) deny check; \
	else \
	    echo "make check: cargo-deny is not installed, so licences and advisories were not checked"; \
	fi

corpus: ## templates of a million calls to 300 endpoints, in 20 orders (some minutes)
	@deploy/install-deps build
	$(CARGO) test --release -p analyzers --lib a_million_calls_does_not_matter -- --ignored --nocapture

deb: ## the Debian package, below target/deb; as root also installed, run and purged in a Debian of its own
	@deploy/install-deps build
	@package=$$(deploy/deb/build) && echo "$$package" && if [ "$$(id -u)" = 0 ]; then deploy/deb/check "$$package"; fi

chart: ## render the Helm chart and hold it against the schemas of Kubernetes (gets helm and the schemas the first time)
	@deploy/helm/check

bench: ## measure throughput, beside the yardsticks
	@deploy/install-deps build
	@benches/run

floods: ## flood the program with what an attacker may send; memory and time of each (some minutes)
	@deploy/install-deps build
	@$(CARGO) build --release --quiet -p tapline -p benches
	@$(CARGO) run --release --quiet -p benches --bin floods

memory: ## what 50,000 endpoints and 100,000 callers take, and what somebody may send to make them take more (some minutes)
	@deploy/install-deps build
	@$(CARGO) build --release --quiet -p benches
	@for of in ordinary fields forms paths deep hosts values; do \
	    $(CARGO) run --release --quiet -p benches --bin inventory $$of || exit 1; \
	done
	@for of in ordinary everything walks tasks refused; do \
	    $(CARGO) run --release --quiet -p benches --bin callers $$of || exit 1; \
	done

faults: ## break things under a live capture with store and Kafka: fifty kills, full disks, interface and broker down (twenty minutes, root)
	@deploy/install-deps test
	@deploy/kafka/broker fetch
	@$(CARGO) test --test faults --no-run --quiet -p tapline
	@$(CARGO) test --quiet -p tapline --test faults -- --include-ignored --list 2>/dev/null | sed -n 's/: test$$//p' | grep -v '^sender$$' | \
	    while read -r name; do \
	        begin=$$(date +%s); said=$$($(CARGO) test --quiet -p tapline --test faults -- --include-ignored --exact "$$name" --nocapture 2>&1); status=$$?; \
	        case "$$said" in *skipped:*) mark=skipped ;; *) if [ $$status = 0 ]; then mark=holds; else mark=FAILED; fi ;; esac; \
	        printf '%-8s %4s s  %s\n' "$$mark" "$$(( $$(date +%s) - begin ))" "$$(printf %s "$$name" | tr _ ' ')"; \
	        [ $$status = 0 ] || { printf '%s\n' "$$said"; exit 1; }; \
	    done

live: ## send to a capture between network namespaces at rising rates; losses are held against what was sent (needs root)
	@deploy/install-deps build
	@$(CARGO) build --release --quiet -p tapline -p benches
	@benches/live rates

soak: ## an hour of traffic without end: memory, losses, and the same findings from a recording (needs root)
	@deploy/install-deps build
	@$(CARGO) build --release --quiet -p tapline -p benches
	@benches/live soak

year: ## a year of packet time of 200 callers whose habits change: what is told of them, by kind and cause (a minute)
	@deploy/install-deps build
	@$(CARGO) build --release --quiet -p benches
	@$(CARGO) run --release --quiet -p benches --bin year

ablation: ## what each dimension of a baseline is worth on the labelled traffic beside the project (some minutes)
	@deploy/install-deps build
	$(CARGO) test --release -p tapline --test evaluation -- --ignored --nocapture
