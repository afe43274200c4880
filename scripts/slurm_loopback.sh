#!/bin/bash
# A real Slurm on this computer, and a trial through it in both ways, with a job lost on each. As root on Debian, after
#   apt-get install slurm-wlm munge;  pip install 'vct[cluster]'
# Usage: scripts/slurm_loopback.sh FOLDER [PROTOCOL [options of vct run]]. Default: the tests' quick trial.
# Prints "same bytes" three times when all is well. Stops the daemons that it started.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
protocol=${2:-$here/tests/doubles/quick.yaml}
options=("${@:3}")
[ $# -gt 1 ] || options=(--engine quick:delay=1 --keep-scans all)
export PYTHONPATH=$here:$here/tests/doubles${PYTHONPATH:+:$PYTHONPATH} SLURM_CONF=$folder/slurm.conf
state=$folder/state
mkdir -p "$state"/{ctld,d} "$folder/log"

cat >"$SLURM_CONF" <<CONF
ClusterName=loopback
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
KillWait=5
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/d
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1100)}' /proc/meminfo)
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF

munge -n >/dev/null 2>&1 || { mkdir -p /run/munge && chown munge: /run/munge && runuser -u munge -- munged; }
slurmctld && slurmd
stop() { for name in slurmd slurmctld; do kill "$(cat "$state/$name.pid")" || true; done; }
trap stop EXIT
until sinfo -h -o %t | grep -qE 'idle|mix'; do sleep 1; done

running() { squeue -h -t R -o %A "$@" | head -1; }
same() { diff -r -x .vct -x report.html -x tables -x summary.md -x viewers "$folder/whole" "$1" && echo "same bytes: $2"; }


echo "one process, as the reference"
vct run "$protocol" --out "$folder/whole" --workers 1 --shard 1/1 "${options[@]}"

echo "an array job of 4, of which one is requeued while it runs"
job=$(sbatch --parsable --array=1-4 --mem=1G --output="$folder/log/shard-%a" "$here/scripts/slurm.sbatch" \
    "$protocol" "$folder/array" "${options[@]}")
until [ -n "$(ls "$folder/array/readings" 2>/dev/null)" ]; do sleep 1; done
until lost=$(running -j "$job") && [ -n "$lost" ]; do sleep 1; done
scontrol requeue "$lost"
while squeue -h -j "$job" 2>/dev/null | grep -q .; do sleep 2; done
same "$folder/array" "array job, job $lost requeued"
vct merge "$folder/array"

echo "dask-jobqueue with two jobs, of which one is cancelled while it runs"
cat >"$folder/cluster.yaml" <<CLUSTER
cluster: {kind: slurm, jobs: 2, memory: 1GB, walltime: "01:00:00", queue: batch, interface: lo, log_folder: log}
CLUSTER
(cd "$folder" && vct run "$protocol" --out jobqueue --cluster cluster.yaml "${options[@]}") &
run=$!
until [ -n "$(ls "$folder/jobqueue/readings" 2>/dev/null)" ]; do sleep 1; done
lost=$(running)
scancel "$lost"
wait $run
same "$folder/jobqueue" "dask-jobqueue, job $lost cancelled"
diff -r "$folder/array/tables" "$folder/jobqueue/tables" && echo "same bytes: tables"
