#!/bin/sh
# All shipped weights from an atlas (docs/atlas.md says how one is built):
#
#     scripts/train_weights.sh ATLAS OUT [WORKERS]
#
# Virtual patients are painted, then the anatomy, stage 2 for 2 mm and the segmenter are trained. What is finished is kept:
# the same command goes on where it was stopped. About seven hours of one core with AVX512-BF16.
set -eu
atlas=$1 out=$2 workers=${3:-1}
mkdir -p "$out"

vct atlas sample "$atlas" --out "$out/people" -n 720 --seed 22 --noise-cov 0 --workers "$workers"
vct atlas plan "$atlas" --out "$out/plan.csv" -n 60000 --seed 23
vct train anatomy --data "$out/people" --numbers "$out/plan.csv" --out "$out/cascade"

vct atlas sample "$atlas" --out "$out/fine" -n 60 --seed 41 --noise-cov 0 --resolution 2 --workers "$workers"
vct train superres --data "$out/fine" --out "$out/cascade" --fine-mm 2 --batch 6 --patch 32 --steps 10000 \
    --precision bf16-mixed --look-minutes 1000

vct atlas sample "$atlas" --out "$out/painted" -n 200 --seed 77 --workers "$workers"
vct generate --weights "$out/cascade" --cohort us_adults -n 50 --seed 78 --out "$out/generated" --workers "$workers"
vct train segmenter --data "$out/painted" --data "$out/generated" --out "$out/segmenter" --steps 12000 \
    --precision bf16-mixed --save-minutes 5
