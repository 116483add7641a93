#!/bin/bash
# Lets guard, which runs as webapp, write the log that the health agent reads, in place of nginx.
set -euo pipefail

folder=/var/log/nginx/healthd
config=/etc/healthd/config.yaml

mkdir -p "$folder"
chmod a+x "${folder%/*}"
chown -R webapp:webapp "$folder"
chmod 755 "$folder"

# The agent's defaults, unless the platform has set others, as for Apache.
set_option() { # NAME VALUE
  sed -i "/^$1:/d" "$config"
  echo "$1: $2" >>"$config"
}
if [[ -f $config ]]; then
  set_option appstat_log_path "$folder/application.log"
  set_option appstat_unit sec
  set_option appstat_timestamp_on completion
  systemctl restart healthd
fi
