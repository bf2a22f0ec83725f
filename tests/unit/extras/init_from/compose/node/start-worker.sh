#!/bin/bash
until nc -z head 6379; do sleep 1; done
exec ray start --address head:6379 --num-cpus=3 --block
