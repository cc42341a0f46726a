# taghub: one Makefile, no recursion.
#
#   make            all programs into build/bin/        make run     build and run the hub here
#   make test       every test there is                 make demo    the hub, two simulated cameras and a game
#   make check      units, e2e and browser, once         make asan    the same under ASan and UBSan
#   make chaos      random failures under load for SECONDS (60), drawn by SEED (random)
#   make planted    spoil one line after the other: a test has to fail for each
#   make fuzz       each parser for FUZZ_SECONDS (20)   make clean
#   make lint       format and static checks            make format  rewrite to .clang-format
#   make docs       regenerate proto/PROTOCOL.md        make install DESTDIR= PREFIX=
#   make bench      what the hub costs, beside the least it could; BENCH=NAME one measurement, BENCH=list, SAVE=1 keeps it
#   make deb        the Debian package, in build/       make uninstall
#
# The tree's rule of dependencies is held here: a program sees proto/ and its own folder, and history alone storage/.

MAKEFLAGS += --no-print-directory
PARALLEL  := -j$(shell nproc)

B        ?= build
PREFIX   ?= /usr/local
SANITIZE ?=
VERSION  := 0.1.0

CC       ?= cc
WARN     := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum \
            -Wvla -Wpointer-arith -Wundef -Werror
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fPIE -Wdate-time
FORTIFY  := $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
OPTIMIZE ?= -O2 -g
TH_CPPFLAGS := -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -DTAGHUB_VERSION='"$(VERSION)"' $(FORTIFY) -MMD -MP
TH_CFLAGS   := -std=gnu11 $(OPTIMIZE) $(WARN) $(HARDEN) $(SANITIZE)
TH_LDFLAGS  := -pie -Wl,-z,relro -Wl,-z,now $(SANITIZE)
LIBS        := -lh2o-evloop -lmsgpackc -lcjson -lcrypto -lm

# ---- what there is: a folder is a library; a program is its main.c and the libraries it may see ----

FOLDERS  := proto storage gateway services/ingest services/fanout services/metrics services/history services/ctl
PROGRAMS := taghub-gateway taghub-ingest taghub-fanout taghub-metrics taghub-history taghubctl
MAIN_taghub-gateway := gateway
MAIN_taghub-ingest  := services/ingest
MAIN_taghub-fanout  := services/fanout
MAIN_taghub-metrics := services/metrics
MAIN_taghub-history := services/history
MAIN_taghubctl      := services/ctl

# what a folder may include beside itself; storage stands alone
MAY_USE_proto            :=
MAY_USE_storage          :=
MAY_USE_gateway          := proto
MAY_USE_services/ingest  := proto
MAY_USE_services/fanout  := proto
MAY_USE_services/metrics := proto
MAY_USE_services/history := storage proto
MAY_USE_services/ctl     := proto
LIBS_storage             := -lsqlite3
LIBS_services/history    := -lsqlite3

library   = $(B)/lib/$(subst /,-,$(1)).a
sources   = $(filter-out %/main.c,$(wildcard $(1)/*.c $(1)/run/*.c))
includes  = $(addprefix -I,$(1) $(MAY_USE_$(1)))
libraries = $(foreach folder,$(1) $(MAY_USE_$(1)),$(call library,$(folder)))

all: $(addprefix $(B)/bin/,$(PROGRAMS))

# what is made is told in a line; V=1 tells how
say      = $(if $(V),,@echo "  $(1)  $@" &&)

define folder_rules
$(call library,$(1)): $(patsubst %.c,$(B)/obj/%.o,$(call sources,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR) ar rcs $$@ $$^

$(B)/obj/$(1)/%.o: $(1)/%.c
	@mkdir -p $$(@D)
	$$(call say,CC) $(CC) $(TH_CPPFLAGS) $(CPPFLAGS) $(call includes,$(1)) $(TH_CFLAGS) $(CFLAGS) -c -o $$@ $$<

$(B)/obj/tests/unit/$(1)/%.o: tests/unit/$(1)/%.c
	@mkdir -p $$(@D)
	$$(call say,CC) $(CC) $(TH_CPPFLAGS) $(CPPFLAGS) $(call includes,$(1)) $(TH_CFLAGS) $(CFLAGS) -c -o $$@ $$<

$(B)/unit/$(1)/%: $(B)/obj/tests/unit/$(1)/%.o $(call libraries,$(1))
	@mkdir -p $$(@D)
	$$(call say,LD) $(CC) $(TH_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $(LIBS) $(LIBS_$(1)) -lcmocka
endef
$(foreach folder,$(FOLDERS),$(eval $(call folder_rules,$(folder))))

define program_rules
$(B)/bin/$(1): $(B)/obj/$(MAIN_$(1))/main.o $(call libraries,$(MAIN_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LD) $(CC) $(TH_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $(LIBS) $(LIBS_$(MAIN_$(1)))
endef
$(foreach program,$(PROGRAMS),$(eval $(call program_rules,$(program))))

# what is built into a program as it stands, by .incbin
$(B)/obj/gateway/assets.o: $(wildcard gateway/web/*)
$(B)/obj/storage/schema.o: $(wildcard storage/*.sql storage/migrations/*.sql)

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# ---- packages: .ci/packages is the list; the first word is who needs it ----

packages-%:
	@tests/packages.sh $(subst -, ,$*)

# ---- running ----

run: packages-run
	$(MAKE) $(PARALLEL) all
	exec $(B)/bin/taghubctl run

demo: packages-run-demo
	$(MAKE) $(PARALLEL) all
	exec /usr/bin/python3 tests/sim/demo.py

# ---- tests ----

PYTHON  := /usr/bin/python3
UNITS   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(shell find tests/unit -name 'test_*.c' 2>/dev/null))
units: $(UNITS)

ASAN    := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
EVERY_INCLUDE := $(addprefix -I,$(FOLDERS))
EVERY_LIBRARY := $(foreach folder,gateway services/ingest services/fanout services/metrics proto,$(call library,$(folder)))

# A fuzz target with a main() that feeds it the files of its corpus: needs no fuzzing compiler.
$(B)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(EVERY_LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(TH_CPPFLAGS) $(EVERY_INCLUDE) $(TH_CFLAGS) -Wno-missing-prototypes $(TH_LDFLAGS) -o $@ $^ $(LIBS)
replays: $(addprefix $(B)/replay/,$(FUZZERS))

$(B)/fuzz/%: tests/fuzz/%.c $(EVERY_LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(TH_CPPFLAGS) $(EVERY_INCLUDE) $(TH_CFLAGS) -fsanitize=fuzzer $(TH_LDFLAGS) -o $@ $^ $(LIBS)
fuzzers: $(addprefix $(B)/fuzz/,$(FUZZERS))

# Seeds for the fuzzers of the bus, made from messages.def: every field at its limits and beyond.
seeds: $(B)/replay/make_seeds
	@mkdir -p $(B)/seeds
	$< $(B)/seeds
$(B)/replay/make_seeds: tests/fuzz/make_seeds.c $(call library,proto)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(TH_CPPFLAGS) $(EVERY_INCLUDE) $(TH_CFLAGS) $(TH_LDFLAGS) -o $@ $^ $(LIBS)

# tests/run.py builds nothing: it runs what stands here, adds up, and ends with "N passed, N failed".
test: packages-run-test
	$(MAKE) $(PARALLEL) all units docs-check deb
	$(MAKE) $(PARALLEL) B=build/asan SANITIZE="$(ASAN)" all units replays seeds
	$(PYTHON) tests/run.py units e2e systemd browser asan-units corpus asan-e2e valgrind

check: packages-run-test
	$(MAKE) $(PARALLEL) all units
	$(PYTHON) tests/run.py units e2e browser

asan: packages-run-test
	$(MAKE) $(PARALLEL) B=build/asan SANITIZE="$(ASAN)" all units replays seeds
	$(PYTHON) tests/run.py asan-units corpus asan-e2e

SECONDS ?= 60
SEED    ?= 0
chaos: packages-run-test
	$(MAKE) $(PARALLEL) all
	CHAOS_SECONDS=$(SECONDS) CHAOS_SEED=$(SEED) $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/e2e/test_chaos.py

planted: packages-run-test
	$(PYTHON) tests/planted/plant.py

FUZZ_SECONDS ?= 20
fuzz: packages-run-dev
	$(MAKE) $(PARALLEL) B=build/fuzz CC=clang WARN="-Wall -Wno-gnu-variable-sized-type-not-at-end" HARDEN= \
	        SANITIZE="-fsanitize=fuzzer-no-link,address,undefined" fuzzers
	$(MAKE) seeds
	for name in $(FUZZERS); do \
	    mkdir -p build/fuzz/found/$$name $(B)/seeds/$${name#fuzz_}; \
	    build/fuzz/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/found/$$name/ build/fuzz/found/$$name tests/fuzz/corpus/$${name#fuzz_} $(B)/seeds/$${name#fuzz_} \
	        || exit 1; \
	done

# ---- measuring: the load, and the floors that the hub is set beside ----

BENCHES := $(addprefix $(B)/bench/,load floor bare_http)
BENCH_LIBS_load      :=
BENCH_LIBS_floor     := -lcrypto
BENCH_LIBS_bare_http := -lh2o-evloop

$(B)/obj/tests/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(TH_CPPFLAGS) $(CPPFLAGS) $(TH_CFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/bench/load: $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/bench/load_*.c))
$(BENCHES): $(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/bench/wire.o
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(TH_LDFLAGS) $(LDFLAGS) -o $@ $^ $(BENCH_LIBS_$*)

ROUNDS ?= 3
bench: packages-run-bench
	$(MAKE) $(PARALLEL) all $(BENCHES)
	BENCH="$(BENCH)" ROUNDS=$(ROUNDS) SAVE="$(SAVE)" QUICK="$(QUICK)" TAGHUB_BUILD=$(B) $(PYTHON) tests/bench/bench.py

# ---- form ----

SOURCES := $(wildcard gateway/*.[ch] proto/*.[ch] proto/run/*.[ch] services/*/*.[ch] storage/*.[ch]) \
           $(shell find tests -name '*.[ch]' 2>/dev/null)

lint: packages-run-dev
	clang-format --dry-run -Werror $(SOURCES)
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,portability \
	         --suppress=missingIncludeSystem --suppress=ctuuninitvar -D_GNU_SOURCE $(EVERY_INCLUDE) gateway proto services storage
	! grep -rnE '#include "\.\./' --include=*.[ch] gateway proto services storage tests

format: packages-run-dev
	clang-format -i $(SOURCES)

docs: $(B)/bin/taghubctl
	$(B)/bin/taghubctl protocol > proto/PROTOCOL.md

docs-check: $(B)/bin/taghubctl
	$(B)/bin/taghubctl protocol | diff -u proto/PROTOCOL.md -

# ---- installing: what lies below PREFIX is listed once, as place=file; the rest is in /etc ----

PAGES   := $(addprefix $(B)/man/,taghubctl.1 taghub.conf.5 taghub.8 $(addsuffix .8,$(filter taghub-%,$(PROGRAMS))))
to       = $(foreach file,$(2),$(1)/$(notdir $(file))=$(file))
INSTALLED = $(call to,bin,$(addprefix $(B)/bin/,$(PROGRAMS))) \
            $(call to,lib/systemd/system,$(wildcard systemd/system/taghub*.*t systemd/system/taghub*.service)) \
            $(call to,lib/systemd/system/taghub-.service.d,systemd/system/taghub-.service.d/00-common.conf) \
            $(call to,lib/systemd/system/taghub-.socket.d,systemd/system/taghub-.socket.d/00-common.conf) \
            $(call to,lib/sysusers.d,systemd/sysusers.d/taghub.conf) \
            $(call to,lib/tmpfiles.d,systemd/tmpfiles.d/taghub.conf) \
            $(call to,share/bash-completion/completions,systemd/bash-completion/taghubctl) \
            $(foreach section,1 5 8,$(call to,share/man/man$(section),$(filter %.$(section),$(PAGES)))) \
            $(call to,share/doc/taghub,README.md LICENSE services/metrics/grafana-dashboard.json)

install: all $(PAGES)
	@for pair in $(INSTALLED); do \
	    case $$pair in bin/*) mode=755 ;; *) mode=644 ;; esac; \
	    install -D -m $$mode "$${pair#*=}" "$(DESTDIR)$(PREFIX)/$${pair%%=*}" || exit 1; \
	done
	cd $(DESTDIR)$(PREFIX)/lib/systemd/system && sed -i 's|@bindir@|$(PREFIX)/bin|' taghub-*.service taghub-.service.d/*
	install -D -m 644 systemd/avahi/taghub.service $(DESTDIR)/etc/avahi/services/taghub.service
	install -d $(DESTDIR)/etc/taghub/conf.d
	test -e $(DESTDIR)/etc/taghub/taghub.conf || \
	    $(B)/bin/taghubctl example-config | sed 's/^#include/include/' > $(DESTDIR)/etc/taghub/taghub.conf

# the configuration stays
uninstall:
	rm -f $(foreach pair,$(INSTALLED),$(DESTDIR)$(PREFIX)/$(firstword $(subst =, ,$(pair)))) \
	    $(DESTDIR)/etc/avahi/services/taghub.service
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/taghub $(DESTDIR)$(PREFIX)/lib/systemd/system/taghub-.*.d

# pages that list what a program can tell itself
$(B)/man/taghubctl.1:    TELLS := --help
$(B)/man/taghub.conf.5: TELLS := example-config
$(B)/man/%: systemd/man/%.in systemd/man/%.awk $(B)/bin/taghubctl
	@mkdir -p $(@D)
	$(call say,MAN) $(B)/bin/taghubctl $(TELLS) | awk -f systemd/man/$*.awk | \
	    sed -e '/^@GENERATED@$$/{r /dev/stdin' -e 'd' -e '}' systemd/man/$*.in > $@
$(B)/man/%: systemd/man/%
	@mkdir -p $(@D)
	$(call say,MAN) cp $< $@
$(B)/man/taghub-%.8:
	@mkdir -p $(@D)
	$(call say,MAN) echo '.so man8/taghub.8' > $@

# ---- the Debian package: an installation below DEB_TREE with the scripts of systemd/debian ----

DEB_TREE = $(B)/deb
DEB_ARCH = $(shell dpkg --print-architecture)

deb: all
	rm -rf $(DEB_TREE)
	umask 022 && $(MAKE) install DESTDIR=$(DEB_TREE) PREFIX=/usr
	mv $(DEB_TREE)/usr/share/doc/taghub/LICENSE $(DEB_TREE)/usr/share/doc/taghub/copyright
	gzip -9n $(DEB_TREE)/usr/share/man/*/*
	strip --strip-unneeded $(DEB_TREE)/usr/bin/*
	install -D -m 755 -t $(DEB_TREE)/DEBIAN systemd/debian/postinst systemd/debian/prerm systemd/debian/postrm
	cd $(DEB_TREE) && find etc -type f -printf '/%p\n' > DEBIAN/conffiles
	cd $(DEB_TREE) && find usr -type f -exec md5sum {} + > DEBIAN/md5sums
	mkdir -p $(B)/shlibs/debian && echo 'Source: taghub' > $(B)/shlibs/debian/control
	depends=$$(cd $(B)/shlibs && dpkg-shlibdeps -O $(abspath $(DEB_TREE))/usr/bin/*) && \
	    sed -e 's|@version@|$(VERSION)|' -e 's|@architecture@|$(DEB_ARCH)|' -e "s|@depends@|$${depends#*=}|" \
	        systemd/debian/control.in > $(DEB_TREE)/DEBIAN/control
	dpkg-deb --root-owner-group --build $(DEB_TREE) $(B)/taghub_$(VERSION)_$(DEB_ARCH).deb

clean:
	rm -rf build

.PHONY: all units seeds replays fuzzers run demo test check asan chaos bench planted fuzz lint format docs docs-check install uninstall deb clean
