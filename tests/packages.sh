#!/bin/sh
# packages.sh PURPOSE... - installs what is missing of the packages that .ci/packages lists for these purposes.
# As root it uses apt-get itself, else sudo; with nothing missing it asks nobody and says nothing.
set -eu
list=$(dirname "$0")/../.ci/packages
missing=
for purpose in "$@"; do
    for package in $(sed -n "s/^$purpose[[:space:]]\{1,\}//p" "$list"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
echo "taghub: installing Debian packages: $missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "taghub: not root and no sudo; please install: $missing" >&2; exit 1; }
    as_root=sudo
fi
# a fresh machine has no package lists; an old one may have lists that name versions that are gone
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null 2>&1 || {
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
}
