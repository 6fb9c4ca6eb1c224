#!/bin/sh
# Gets the programs that the tests start privately: PostgreSQL, Redis, and a
# browser. Nothing is started here, and what is there already is left alone.
#
# As root on Debian and its kin they are installed by apt-get, without starting
# any service. As anybody else their packages are downloaded and unpacked below
# .cache/servers, and the system stays as it is.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
cache=$root/.cache
servers=$cache/servers

say() { printf '%s\n' "$*" >&2; }
fail() {
	say "servers: $*"
	exit 1
}

have_postgres() {
	if [ -n "${PARLEY_TEST_PG_BIN:-}" ]; then
		[ -x "$PARLEY_TEST_PG_BIN/postgres" ] || fail "PARLEY_TEST_PG_BIN is set to $PARLEY_TEST_PG_BIN, which has no postgres in it."
		return 0
	fi
	for program in /usr/lib/postgresql/*/bin/postgres "$servers"/usr/lib/postgresql/*/bin/postgres; do
		[ -x "$program" ] && return 0
	done
	command -v postgres >/dev/null 2>&1
}

have_redis() {
	command -v redis-server >/dev/null 2>&1 || [ -x "$servers/usr/bin/redis-check-rdb" ]
}

have_chromium() {
	if [ -n "${PARLEY_TEST_CHROMIUM:-}" ]; then
		[ -x "$PARLEY_TEST_CHROMIUM" ] || fail "PARLEY_TEST_CHROMIUM is set to $PARLEY_TEST_CHROMIUM, which is no program."
		return 0
	fi
	for program in chromium chromium-browser google-chrome "$cache/bin/chromium"; do
		command -v "$program" >/dev/null 2>&1 && return 0
	done
	return 1
}

# wrap_chromium makes the unpacked browser find its libraries.
wrap_chromium() {
	[ -x "$servers/usr/lib/chromium/chromium" ] || return 0
	mkdir -p "$cache/bin"
	cat >"$cache/bin/chromium" <<-END
		#!/bin/sh
		export LD_LIBRARY_PATH=$(for dir in "$servers"/usr/lib/*-linux-gnu* "$servers"/lib/*-linux-gnu* "$servers"/usr/lib/*-linux-gnu*/pulseaudio; do [ -d "$dir" ] && printf '%s:' "$dir"; done)
		export FONTCONFIG_PATH=$servers/etc/fonts XDG_DATA_DIRS=$servers/usr/share
		exec $servers/usr/lib/chromium/chromium "\$@"
	END
	chmod 755 "$cache/bin/chromium"
}

# install_as_root keeps the packages from starting services: a policy that
# denies it stands only while apt-get runs.
install_as_root() {
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		trap 'exit 130' INT TERM
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive
	say "Installing $* by apt-get; no service will be started (some minutes)..."
	log=$cache/apt-get.log
	apt-get update -qq >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		fail "apt-get update failed (above; all of it in $log). Are Debian's packages reachable from here?"
	}
	# shellcheck disable=SC2068 # the packages are single words
	apt-get install -y -qq --no-install-recommends $@ >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		fail "apt-get could not install $* (above; all of it in $log)."
	}
}

# unpack_as_user keeps package lists of its own, because the system's may be
# missing and only root may refresh them.
unpack_as_user() {
	command -v dpkg-deb >/dev/null 2>&1 || fail "dpkg-deb is missing, which unpacks the packages. Install $* yourself."
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial" "$cache/apt/packages" "$servers"
	options="-o Dir::State::Lists=$cache/apt/lists -o Dir::Cache=$cache/apt -o Debug::NoLocking=1"
	log=$cache/apt-get.log
	say "Downloading $* into .cache/servers (you are not root, so nothing is installed; some minutes)..."
	# shellcheck disable=SC2086 # options are words
	apt-get $options update -qq >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		fail "apt-get update failed (above). Are Debian's packages reachable from here?"
	}
	# The packages and all of what they need that this machine lacks.
	# shellcheck disable=SC2086
	needed=$(apt-get $options -s --no-install-recommends install "$@" 2>>"$log" | awk '$1 == "Inst" { print $2 }')
	[ -n "$needed" ] || fail "apt-get knows no packages $*. Install PostgreSQL and Redis yourself."
	cd "$cache/apt/packages"
	rm -f ./*.deb
	# shellcheck disable=SC2086
	apt-get $options download $needed >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		fail "downloading packages failed (above)."
	}
	for package in ./*.deb; do
		dpkg-deb -x "$package" "$servers"
	done
	rm -f ./*.deb
	cd "$root"
}

missing=
have_postgres || missing="$missing postgresql"
have_redis || missing="$missing redis-server"
have_chromium || missing="$missing chromium"
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null 2>&1 ||
		fail "the tests need$missing, and apt-get is not here to get it. Install it yourself; PARLEY_TEST_PG_BIN may name the folder of PostgreSQL's programs, redis-server and chromium (or PARLEY_TEST_CHROMIUM) must be on the PATH."
	mkdir -p "$cache"
	# shellcheck disable=SC2086
	if [ "$(id -u)" = 0 ]; then install_as_root $missing; else unpack_as_user $missing && wrap_chromium; fi
	have_postgres || fail "PostgreSQL is still missing after installing it; see $cache/apt-get.log."
	have_redis || fail "redis-server is still missing after installing it; see $cache/apt-get.log."
	have_chromium || fail "chromium is still missing after installing it; see $cache/apt-get.log."
fi
