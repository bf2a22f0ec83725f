# What stands in for a fork where the system has a small shell: `dash stand.sh PYTHON FOLDER PID ...`.
#
# It forwards signals, and ends as the line on file 3 says. A signal interrupts `read`, which then has a part of the
# line or none; where no signal did, the template has gone, and a program waits for the fork that a shell cannot wait
# for. The fork begins when file 4 is closed. All signals but KILL, CHLD, STOP and those of the C library.
fork=$3
for number in 1 2 3 4 5 6 7 8 10 11 12 13 14 15 16 18 20 21 22 23 24 25 26 27 28 29 30 31 \
    34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64; do
    trap "caught=1; kill -$number $fork 2>/dev/null" $number
done
exec 4>&-
line=
until IFS= read -r part <&3; do
    line=$line$part
    if [ ! "$caught" ]; then
        "$1" -IS "${0%/*}/fork_stand_in.py" "$fork" "$2" &
        while
            wait $!
            code=$?
            [ "$caught" ]
        do
            caught=
        done
        exit $code
    fi
    caught=
    # A signal that comes just before `read` waits again is noticed only when something else wakes it: the end of this.
    sleep 0.05 3<&- >/dev/null 2>&1 &
done
status=$line$part
number=$((status & 127))
[ $number = 0 ] && exit $((status >> 8))
ulimit -c 0
trap - $number
kill -$number $$
