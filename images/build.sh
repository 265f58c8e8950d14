#!/bin/sh
# Build the images base, stem, controller and nats and one for each operator, from dist/images.
# Docker's buildx bake is used where an engine answers, buildah otherwise.
#   BASE    the Python image they begin with             (python:3.12-slim)
#   PREFIX  what names begin with: PREFIX/controller:TAG  (interact)
#   TAG     their tag                                     (latest)
#   SSH     yes: the controller's must have ssh; no: it is left out; auto: if there is a network  (auto)
#   ONLY    names to build, with what they begin with     (all)
set -eu
cd "$(dirname "$0")/.."
: "${BASE:=python:3.12-slim}" "${PREFIX:=interact}" "${TAG:=latest}" "${ONLY:=}" "${SSH:=auto}"
export BASE PREFIX TAG SSH

if docker buildx version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
  # shellcheck disable=SC2086  # one word for each target
  exec docker buildx bake --file images/docker-bake.hcl --load ${ONLY:-default}
fi
if ! command -v buildah >/dev/null; then
  echo "no Docker engine answers and buildah is not installed; install one of them" >&2
  exit 1
fi

wanted() {
  case " ${ONLY:-$1} " in *" $1 "*) true ;; *) false ;; esac
}
store="buildah --storage-driver vfs"
build() { # name, image below it, Containerfile, context, another argument; what had the name before is removed
  echo "building $PREFIX/$1:$TAG"
  before=$($store images --quiet "$PREFIX/$1:$TAG" 2>/dev/null || true)
  $store build --isolation chroot --quiet --pull=false \
    --build-arg BASE="$2" ${5:+--build-arg "$5"} --tag "$PREFIX/$1:$TAG" --file "$3" "$4" >/dev/null
  after=$($store images --quiet "$PREFIX/$1:$TAG")
  [ "${before:-$after}" = "$after" ] || $store rmi "$before" >/dev/null 2>&1 || true
}
build base "$BASE" images/base/Containerfile .
if wanted controller; then build controller "$PREFIX/base:$TAG" images/controller/Containerfile . "SSH=$SSH"; fi
if wanted nats; then build nats "$BASE" images/nats/Containerfile .; fi
stem=no
for file in operators/*/Containerfile; do
  name=$(basename "$(dirname "$file")")
  wanted "$name" || continue
  [ $stem = yes ] || build stem "$PREFIX/base:$TAG" images/stem/Containerfile .
  stem=yes
  build "$name" "$PREFIX/stem:$TAG" "$file" "operators/$name"
done
