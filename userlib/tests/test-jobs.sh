# SPDX-License-Identifier: GPL-2.0
# Records and looks of asynchronous jobs
. ./lib.sh

J=$OBJ/tests/jobs

check "threads have records of their own" 0 '^0 mistakes$' "$J" threads
check "no more records than were held at once" 0 '^0 records used$' "$J" threads
check "all records" 0 '^65536 taken, then -1 Resource temporarily unavailable$' "$J" full
check "a descriptor is good for one result" 0 '^again: -1 Invalid argument$' "$J" twice
check "waiting for it is as bad" 0 '^wait for it: -1 Invalid argument$' "$J" twice
check "none is no job" 0 '^none: -1 Invalid argument$' "$J" twice
check "and is not used again" 0 '^same record, another descriptor$' "$J" twice
check "a child has records of its own, too" 0 '^0 mistakes$' "$J" fork
check "and no more are used" 0 '^0 records used$' "$J" fork
check "a ring that takes all" 0 '^10: 10 $' "$J" ring
check "or some" 0 '^3: 3 $' "$J" ring
check "or refuses" 0 '^-32: -1 Broken pipe$' "$J" ring
check "more than it was given" 0 '^11: -1 Invalid argument$' "$J" ring
check "what is not taken is given back" 0 '^0 records used$' "$J" ring
check "several that are over need no call" 0 '^all are over: 4$' "$J" several
check "any of several" 0 '^any is over: 1$' "$J" several
check "all of several" 0 '^then all are: 4$' "$J" several
check "the kernel is asked for as many" 0 '^asked to wait for 4 of 4$' "$J" several
check "several that are nobody's" 0 '^of nobody: -1 Invalid argument$' "$J" several
check "none of several" 0 '^for none: -1 Invalid argument$' "$J" several
check "too many" 0 '^for too many: -1 Invalid argument$' "$J" several
check "errno is left alone" 0 '^a job: 0 Argument list too long$' "$J" strict
check "flags beyond those of an op" 0 '^flags: -1 Invalid argument$' "$J" strict
check "of a job that receives" 0 '^flags of receiving: -1 Invalid argument$' "$J" strict
check "in a batch they stay wrong" 0 '^flags in a batch: 0xffff$' "$J" strict
check "a negative time is over" 0 '^a time before all: -1 Timer expired$' "$J" strict
check "the kernel is not asked to wait for ever then" 0 '^asked to wait not at all$' "$J" strict
check "a time beyond all is not one before" 0 '^asked to wait longer than can be$' "$J" strict
check "one that is over while it is looked at" 0 '^one, at look 100: 0, asked 0 times$' "$J" looks
check "any of several that is" 0 '^any, at look 100: 1, asked 0 times$' "$J" looks
check "whichever it is" 0 '^any, the last of them: 1, asked 0 times$' "$J" looks
check "all of several" 0 '^all, by results: 4, asked 0 times$' "$J" looks
check "in any order" 0 '^all, the last ones first: 4, asked 0 times$' "$J" looks
check "one by its counter" 0 '^one, by its counter: 0, asked 0 times$' "$J" looks
check "with its bytes" 0 '^with 10 bytes$' "$J" looks
check "any by the counter they share" 0 '^any, by their counter: 1, asked 0 times$' "$J" looks
check "all by the counter they share" 0 '^all, by their counter: 4, asked 0 times$' "$J" looks
check "the kernel is asked when looking did not help" 0 '^in vain: 0, asked 1 times$' "$J" looks
check "looks as often as allowed for one" 0 '^one: 50 looks more$' "$J" looks
check "and no more for any of several" 0 '^any: 50 looks more$' "$J" looks
check "nor for all of several" 0 '^all: 50 looks more$' "$J" looks
check "about twice as often as it took lately" 0 '^lately of use: 4[01][0-9] looks more$' "$J" looks
check "and hardly where it lately did not help" 0 '^lately in vain: 1[6-9] looks more$' "$J" looks
check "nothing is mistaken" 0 '^0 mistakes$' "$J" looks
check "nobody is told who did not ask" 0 '^nobody: 0 and 0$' "$J" eventfd
check "an eventfd is told of those that notify" 0 '^the first: 2 and 0$' "$J" eventfd
check "another instead" 0 '^the second: 0 and 2$' "$J" eventfd
check "what is no descriptor" 0 '^no descriptor: -1 Bad file descriptor$' "$J" eventfd
check "leaves it so" 0 '^still the second: 0 and 2$' "$J" eventfd
check "none any more" 0 '^nobody any more: 0 and 0$' "$J" eventfd
check "a descriptor that cannot be" 0 '^a strange one: -1 Invalid argument$' "$J" eventfd
check "looks as often as it takes" 0 '^an end at 100 looks: seen$' "$J" spin
check "hardly looks where that is no use" 0 '^never: 1[6-9]$' "$J" spin
check "tries once in a while" 0 '^trying: 1000$' "$J" spin
check "learns of better times" 0 '^and soon again: seen$' "$J" spin
check "gives up beyond the limit" 0 '^beyond the limit: given up$' "$J" spin
check "never more than is allowed" 0 '^at most 5: 5$' "$J" spin

finish
