# docker buildx bake --file images/docker-bake.hcl [TARGET...]; make images calls it after gathering wheels.
variable "BASE" { default = "python:3.12-slim" }
variable "PREFIX" { default = "interact" }
variable "TAG" { default = "latest" }
variable "SSH" { default = "auto" }

group "default" {
  targets = ["controller", "nats", "operators"]
}

group "operators" {
  targets = ["operator"]
}

target "base" {
  dockerfile = "images/base/Containerfile"
  args       = { BASE = BASE }
  tags       = ["${PREFIX}/base:${TAG}"]
}

target "controller" {
  dockerfile = "images/controller/Containerfile"
  contexts   = { below = "target:base" }
  args       = { BASE = "below", SSH = SSH }
  tags       = ["${PREFIX}/controller:${TAG}"]
}

target "nats" {
  dockerfile = "images/nats/Containerfile"
  tags       = ["${PREFIX}/nats:${TAG}"]
}

target "stem" {
  dockerfile = "images/stem/Containerfile"
  contexts   = { below = "target:base" }
  args       = { BASE = "below" }
  tags       = ["${PREFIX}/stem:${TAG}"]
}

target "operator" {
  name = name
  matrix = {
    name = [
      "bin-sparse-partial",
      "center-of-mass-partial",
      "center-of-mass-reduce",
      "diffraction-pattern-accumulator",
      "dpc",
      "electron-count",
      "image-display",
      "recorder",
      "replay",
      "scan-generator",
      "scan-image",
      "scan-reader",
      "virtual-bfdf-partial",
    ]
  }
  context    = "operators/${name}"
  dockerfile = "Containerfile"
  contexts   = { below = "target:stem" }
  args       = { BASE = "below" }
  tags       = ["${PREFIX}/${name}:${TAG}"]
}
