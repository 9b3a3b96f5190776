# The test host itself: what the other jobs stand on.
. /lib.sh

check "the test host has /dev/kvm" test -c /dev/kvm
check "the test host's processor has virtualization" grep -q -w svm /proc/cpuinfo
check "curl runs in the test host" curl --version
check "a guest kernel and initrd are at hand" test -s /guest/vmlinux -a -s /guest/bzImage -a -s /guest/initrd
