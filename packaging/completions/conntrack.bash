_conntrack() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="conntrack"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        conntrack)
            opts="-L -G -D -I -A -U -E -F -C -S -V -h -R -s -d -r -q -p -t -u -f -b -w -z -e -a -m -i -n -g -o -c -j -l --dump --get --delete --create --add --update --event --flush --counter --stats --version --help --load-file --orig-src --src --orig-dst --dst --reply-src --reply-dst --protonum --timeout --status --mask-src --mask-dst --family --buffer-size --zone --orig-zone --reply-zone --zero --event-mask --nat-range --mark --id --src-nat --dst-nat --output --secmark --any-nat --label --helper --label-add --label-del --tuple-src --tuple-dst --orig-port-src --sport --orig-port-dst --dport --reply-port-src --reply-port-dst --mask-port-src --mask-port-dst --state --tuple-port-src --tuple-port-dst --orig-vtag --reply-vtag --role --icmp-type --icmp-code --icmp-id --icmpv6-type --icmpv6-code --icmpv6-id --orig-key-src --srckey --orig-key-dst --dstkey --reply-key-src --reply-key-dst --mask-key-src --mask-key-dst --tuple-key-src --tuple-key-dst"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --dump)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -L)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --get)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -G)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --delete)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -D)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --create)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -I)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --add)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -A)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --update)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -U)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --event)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -E)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --flush)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -F)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --counter)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -C)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --stats)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                -S)
                    COMPREPLY=($(compgen -W "expect conntrack dying unconfirmed" -- "${cur}"))
                    return 0
                    ;;
                --load-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                -R)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --protonum)
                    COMPREPLY=($(compgen -W "tcp udp udplite sctp dccp icmp icmpv6 gre" -- "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -W "tcp udp udplite sctp dccp icmp icmpv6 gre" -- "${cur}"))
                    return 0
                    ;;
                --timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --status)
                    COMPREPLY=($(compgen -W "ASSURED SEEN_REPLY UNSET FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED" -- "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -W "ASSURED SEEN_REPLY UNSET FIXED_TIMEOUT EXPECTED OFFLOAD HW_OFFLOAD UNREPLIED" -- "${cur}"))
                    return 0
                    ;;
                --mask-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --mask-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --family)
                    COMPREPLY=($(compgen -W "ipv4 ipv6" -- "${cur}"))
                    return 0
                    ;;
                -f)
                    COMPREPLY=($(compgen -W "ipv4 ipv6" -- "${cur}"))
                    return 0
                    ;;
                --buffer-size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --zone)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -w)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-zone)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-zone)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --event-mask)
                    COMPREPLY=($(compgen -W "ALL NEW UPDATES DESTROY" -- "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -W "ALL NEW UPDATES DESTROY" -- "${cur}"))
                    return 0
                    ;;
                --nat-range)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -a)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --id)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --src-nat)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dst-nat)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -W "xml extended timestamp id ktimestamp labels userspace save json" -- "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -W "xml extended timestamp id ktimestamp labels userspace save json" -- "${cur}"))
                    return 0
                    ;;
                --secmark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --any-nat)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -j)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --label)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -l)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --helper)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --label-add)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --label-del)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --tuple-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --tuple-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --sport)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-port-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dport)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-port-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-port-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-port-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --mask-port-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --mask-port-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --state)
                    COMPREPLY=($(compgen -W "NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2 CLOSED COOKIE_WAIT COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID" -- "${cur}"))
                    return 0
                    ;;
                --tuple-port-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --tuple-port-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-vtag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-vtag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --role)
                    COMPREPLY=($(compgen -W "client server" -- "${cur}"))
                    return 0
                    ;;
                --icmp-type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --icmp-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --icmp-id)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --icmpv6-type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --icmpv6-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --icmpv6-id)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --srckey)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-key-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dstkey)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --orig-key-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-key-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reply-key-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --mask-key-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --mask-key-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --tuple-key-src)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --tuple-key-dst)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _conntrack -o nosort -o bashdefault -o default conntrack
else
    complete -F _conntrack -o bashdefault -o default conntrack
fi
