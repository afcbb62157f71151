complete -c conntrack -s L -l dump -d 'List flows or expectations' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s G -l get -d 'Show the flow or expectation of a tuple' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s D -l delete -d 'Delete all flows that match, or an expectation' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s I -l create -d 'Create a flow or an expectation; it must not exist' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s A -l add -d 'Create a flow, or update it if it exists' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s U -l update -d 'Update all flows that match' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s E -l event -d 'Show events until a signal' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s F -l flush -d 'Empty the table' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s C -l counter -d 'Show the number of entries' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s S -l stats -d 'Show the counters of each CPU' -r -f -a "expect\t''
conntrack\t''
dying\t''
unconfirmed\t''"
complete -c conntrack -s R -l load-file -d 'Carry out the lines of a file, - is standard input; the first argument, and alone' -r -F
complete -c conntrack -s s -l src -l orig-src -d 'Source address of the original direction' -r
complete -c conntrack -s d -l dst -l orig-dst -d 'Destination address of the original direction' -r
complete -c conntrack -s r -l reply-src -d 'Source address of the reply direction' -r
complete -c conntrack -s q -l reply-dst -d 'Destination address of the reply direction' -r
complete -c conntrack -s p -l protonum -d 'Layer-4 protocol: a name or a number; its own options go after it' -r -f -a "tcp\t''
udp\t''
udplite\t''
sctp\t''
dccp\t''
icmp\t''
icmpv6\t''
gre\t''"
complete -c conntrack -s t -l timeout -d 'Seconds to live: to set, or with -D those left exactly' -r
complete -c conntrack -s u -l status -d 'Status bits to set, or to have; !NAME not to have: ASSURED, SEEN_REPLY, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, UNSET, UNREPLIED' -r -f -a "ASSURED\t''
SEEN_REPLY\t''
UNSET\t''
FIXED_TIMEOUT\t''
EXPECTED\t''
OFFLOAD\t''
HW_OFFLOAD\t''
UNREPLIED\t''"
complete -c conntrack -l mask-src -d 'Which bits of the source address count' -r
complete -c conntrack -l mask-dst -d 'Which bits of the destination address count' -r
complete -c conntrack -s f -l family -d 'Layer-3 protocol: ipv4 or ipv6' -r -f -a "ipv4\t''
ipv6\t''"
complete -c conntrack -s b -l buffer-size -d 'Size of the buffer for events' -r
complete -c conntrack -s w -l zone -d 'Zone of both directions' -r
complete -c conntrack -l orig-zone -d 'Zone of the original direction alone' -r
complete -c conntrack -l reply-zone -d 'Zone of the reply direction alone' -r
complete -c conntrack -s e -l event-mask -d 'Events to show: ALL, NEW, UPDATES, DESTROY' -r -f -a "ALL\t''
NEW\t''
UPDATES\t''
DESTROY\t''"
complete -c conntrack -s a -l nat-range -d 'Ignored with a warning' -r
complete -c conntrack -s m -l mark -d 'Mark to set, or to have under the mask' -r
complete -c conntrack -s i -l id -d 'The kernel\'s identifier of the flow' -r
complete -c conntrack -s n -l src-nat -d 'Source translation to do, or to have; a creation takes ranges: ADDRESS-ADDRESS, ADDRESS:PORT-PORT' -r
complete -c conntrack -s g -l dst-nat -d 'Destination translation to do, or to have' -r
complete -c conntrack -s o -l output -d 'How entries are printed: xml, save, json, or a line with extended, timestamp, id, ktimestamp, labels' -r -f -a "xml\t''
extended\t''
timestamp\t''
id\t''
ktimestamp\t''
labels\t''
userspace\t''
save\t''
json\t''"
complete -c conntrack -s c -l secmark -d 'Security mark to have' -r
complete -c conntrack -s j -l any-nat -d 'Source or destination translation to have' -r
complete -c conntrack -s l -l label -d 'Labels to have: names, or #BIT' -r
complete -c conntrack -l helper -d 'Helper to attach; not to be cut short' -r
complete -c conntrack -l label-add -d 'Labels to set: names, or #BIT' -r
complete -c conntrack -l label-del -d 'Labels to clear; all if none is named' -r
complete -c conntrack -l tuple-src -d 'Source address of the expected flow' -r
complete -c conntrack -l tuple-dst -d 'Destination address of the expected flow' -r
complete -c conntrack -l sport -l orig-port-src -d 'Source port of the original direction' -r
complete -c conntrack -l dport -l orig-port-dst -d 'Destination port of the original direction' -r
complete -c conntrack -l reply-port-src -d 'Source port of the reply direction' -r
complete -c conntrack -l reply-port-dst -d 'Destination port of the reply direction' -r
complete -c conntrack -l mask-port-src -d 'Which bits of the expected source port count' -r
complete -c conntrack -l mask-port-dst -d 'Which bits of the expected destination port count' -r
complete -c conntrack -l state -d 'State of the connection, in capitals' -r -f -a "NONE\t''
SYN_SENT\t''
SYN_RECV\t''
ESTABLISHED\t''
FIN_WAIT\t''
CLOSE_WAIT\t''
LAST_ACK\t''
TIME_WAIT\t''
CLOSE\t''
SYN_SENT2\t''
CLOSED\t''
COOKIE_WAIT\t''
COOKIE_ECHOED\t''
SHUTDOWN_SENT\t''
SHUTDOWN_RECD\t''
SHUTDOWN_ACK_SENT\t''
HEARTBEAT_SENT\t''
HEARTBEAT_ACKED\t''
REQUEST\t''
RESPOND\t''
PARTOPEN\t''
OPEN\t''
CLOSEREQ\t''
CLOSING\t''
TIMEWAIT\t''
IGNORE\t''
INVALID\t''"
complete -c conntrack -l tuple-port-src -d 'Source port of the expected flow' -r
complete -c conntrack -l tuple-port-dst -d 'Destination port of the expected flow' -r
complete -c conntrack -l orig-vtag -d 'Verification tag of the original direction' -r
complete -c conntrack -l reply-vtag -d 'Verification tag of the reply direction' -r
complete -c conntrack -l role -d 'Who opened the connection: client or server' -r -f -a "client\t''
server\t''"
complete -c conntrack -l icmp-type -d 'Type of the ICMP message' -r
complete -c conntrack -l icmp-code -d 'Code of the ICMP message' -r
complete -c conntrack -l icmp-id -d 'Identifier of the ICMP message' -r
complete -c conntrack -l icmpv6-type -d 'Type of the ICMPv6 message' -r
complete -c conntrack -l icmpv6-code -d 'Code of the ICMPv6 message' -r
complete -c conntrack -l icmpv6-id -d 'Identifier of the ICMPv6 message' -r
complete -c conntrack -l srckey -l orig-key-src -d 'Source key of the original direction' -r
complete -c conntrack -l dstkey -l orig-key-dst -d 'Destination key of the original direction' -r
complete -c conntrack -l reply-key-src -d 'Source key of the reply direction' -r
complete -c conntrack -l reply-key-dst -d 'Destination key of the reply direction' -r
complete -c conntrack -l mask-key-src -d 'Which bits of the expected source key count' -r
complete -c conntrack -l mask-key-dst -d 'Which bits of the expected destination key count' -r
complete -c conntrack -l tuple-key-src -d 'Source key of the expected flow' -r
complete -c conntrack -l tuple-key-dst -d 'Destination key of the expected flow' -r
complete -c conntrack -s V -l version -d 'Show the version'
complete -c conntrack -s h -l help -d 'Show this help; with -p, the options of that protocol too'
complete -c conntrack -s z -l zero -d 'Reset the counters while listing'
