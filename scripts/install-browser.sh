#!/usr/bin/env bash
# Installs what the browser tests need: Debian's Chromium, and axe-core from npm into .browser/ (ignored by git).
# Run as root on Debian or Ubuntu; what is already there stays. Playwright itself comes with the extra `test`.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v chromium >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
fi
test -f .browser/node_modules/axe-core/axe.min.js ||
  npm install --silent --no-audit --no-fund --no-save --prefix .browser axe-core@4.14.1
