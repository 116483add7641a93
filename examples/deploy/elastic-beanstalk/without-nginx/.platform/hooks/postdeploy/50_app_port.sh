#!/bin/bash
# Fails the deployment if the app accepts connections from outside of the instance, past guard.
set -euo pipefail

port=8080
for _ in {1..60}; do
  addresses=$(ss --no-header --listening --tcp --numeric "sport = :$port" | awk '{ print $4 }')
  [[ -z $addresses ]] || break
  sleep 1
done
if [[ -z $addresses ]]; then
  echo "the app does not listen on port $port: see its line in the Procfile" >&2
  exit 1
fi
for address in $addresses; do
  case $address in
    127.*:"$port" | "[::1]:$port" | "[::ffff:127."*"]:$port") ;;
    *)
      echo "the app listens on $address: clients can reach it past guard; bind it to 127.0.0.1" >&2
      exit 1
      ;;
  esac
done
