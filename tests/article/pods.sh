#!/bin/sh
# A guide to HedgeDoc in Kubernetes, played without a cluster: its config file and its containers'
# commands, with `seawall` where `litestream` stood. Three pods live one after the other; each is
# killed and its volume lost.
#
#   PROGRAM   the program in litestream's place
#   APP       what starts HedgeDoc (or an app with its habits): $APP DATABASE
#   ROOT      an empty directory: /data and /opt/litestream of each pod, and what outlives the pods
#   ENDPOINT BUCKET PREFIX ACCESS_KEY SECRET_KEY      the S3 server
#   LIFE      seconds that a pod lives
set -eu

DATA=$ROOT/data
OPT=$ROOT/opt/litestream
KEPT=$ROOT/kept
mkdir -p "$OPT" "$KEPT"

# kubectl create secret generic litestream --from-file=litestream.yaml
cat >"$OPT/litestream.yaml" <<END
dbs:
  - path: $DATA/hedgedoc.sqlite
    replicas:
      - type: s3
        endpoint: $ENDPOINT
        name: hedgedoc.sqlite
        bucket: $BUCKET
        path: $PREFIX
        forcePathStyle: true
        sync-interval: 1s
        access-key-id: $ACCESS_KEY
        secret-access-key: $SECRET_KEY
END

say() { echo "pods: $*"; }

# initContainers: the pod does not start when this fails.
init_container() {
    say "$1: restore"
    $PROGRAM restore -config $OPT/litestream.yaml $DATA/hedgedoc.sqlite >"$KEPT/$1-init.log" 2>&1 && chmod 777 $DATA/hedgedoc.sqlite || true
}

# containers: both start at once.
containers() {
    $APP "$DATA/hedgedoc.sqlite" >"$KEPT/$1-app.jsonl" 2>"$KEPT/$1-app.log" &
    app=$!
    $PROGRAM replicate -config $OPT/litestream.yaml >"$KEPT/$1-replicate.log" 2>&1 &
    sidecar=$!
}

# The node loses power, and the emptyDir with it.
lost() {
    kill -9 $app $sidecar
    date +%s%3N >"$KEPT/$1-killed"
    wait $app $sidecar 2>/dev/null || true
    rm -rf "$DATA"
    say "$1: everything is killed, the volume is gone"
}

for pod in first second third; do
    mkdir "$DATA"
    init_container $pod
    # What this pod begins with, for the judge.
    if [ -e "$DATA/hedgedoc.sqlite" ]; then
        cp "$DATA/hedgedoc.sqlite" "$KEPT/$pod.sqlite"
        stat -c %a "$DATA/hedgedoc.sqlite" >"$KEPT/$pod-mode"
    else
        say "$pod: nothing to restore"
    fi
    [ $pod = third ] && break
    containers $pod
    sleep "$LIFE"
    lost $pod
done
say "done"
