#!/usr/bin/env bash
# The programs that check what vct writes and reads; they are no part of vct and never imported by it.
#   Orthanc + its DICOMweb plugin   receives our DICOM          (Debian)
#   dicom3tools                     dciodvfy checks our DICOM   (Debian)
#   dcm2niix                        reads our DICOM             (Debian)
#   bids-validator-deno, pysuv      check our BIDS and our SUV  (PyPI, in .witnesses, away from our environment)
# usage: scripts/install-witnesses.sh     needs apt-get (as root, or sudo) and Python 3.11+. Safe to run again.
# Tests that need a witness skip without it; with VCT_WITNESSES=required or CI=true they fail. Nothing is left running:
# the tests start Orthanc themselves, on loopback and free ports.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.witnesses
packages=(orthanc orthanc-dicomweb dicom3tools dcm2niix)

if ! dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null | grep -c '^install ok installed$' | grep -qx "${#packages[@]}"; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    # Debian would start Orthanc as a service on all interfaces; a policy that denies it is put in place while installing.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod +x "$policy"
        trap '"${root[@]}" rm -f "$policy"' EXIT
    fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check bids-validator-deno==3.0.2 pysuv==0.1.0
echo "witnesses: ${packages[*]}; $venv: bids-validator-deno, pysuv"
