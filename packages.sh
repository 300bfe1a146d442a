# Sourced by ./up and ./check: installs Debian packages that are missing, and says so.

# nats-server and postgres live where a user's PATH may not look.
PATH="$PATH:/usr/sbin:/sbin"

# need COMMAND=PACKAGE …: installs the packages of those commands that are not there.
need() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  install_packages "${missing[@]}"
}

install_packages() {
  [ $# -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "please install: $* (there is no apt-get here)" >&2
    return 1
  fi
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "installing with apt: $*" >&2
  "${as_root[@]}" apt-get update -qq >&2
  # RUNLEVEL=1: Debian would start the services at once, on ports that others may want.
  "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_cargo() {
  command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || {
    echo "cargo is needed, 1.94 or later: https://rustup.rs" >&2
    return 1
  }
}
