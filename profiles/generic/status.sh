#!/usr/bin/env bash
# Print running, success or failed for the job of this number.
state=$(scontrol --oneliner show job "$1" 2>/dev/null | grep --only-matching --max-count=1 'JobState=[A-Z_]*')
# The controller forgets a job some minutes after its end; accounting, where there is any, does not.
if [ -z "$state" ]; then
    state=JobState=$(sacct --allocations --noheader --parsable2 --format=State --jobs="$1" 2>/dev/null | head -1)
fi
case ${state#JobState=} in
    COMPLETED) echo success ;;
    PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUED | REQUEUE_HOLD | RESIZING | STOPPED) echo running ;;
    "") if scontrol ping | grep --quiet "is UP"; then echo failed; else echo running; fi ;;
    *) echo failed ;;
esac
