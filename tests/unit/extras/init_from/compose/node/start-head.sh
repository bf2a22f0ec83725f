#!/bin/bash
set -e
echo starting
ray start --head --num-cpus=2 \
  --block
