//! Which events the kernel does not even queue for us: a classic BPF program.
//!
//! What it drops costs no space in the socket's receive buffer. Without it, a commit of a million
//! flows would overrun our own event socket with what we did ourselves.

use socket2::SockFilter;

/// Offset of `nlmsg_pid` in `struct nlmsghdr`, with which every event begins.
const NLMSG_PID_OFFSET: u32 = 12;

// linux/filter.h, linux/bpf_common.h
const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const DROP: u32 = 0;
const KEEP: u32 = u32::MAX;

/// A program for the event socket, that is run on every event before it is queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    program: Vec<Instruction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    /// Instructions to skip if the comparison holds.
    jump_true: u8,
    /// Instructions to skip if it does not.
    jump_false: u8,
    operand: u32,
}

impl EventFilter {
    /// Returns the filter that drops what the sockets with these port ids cause.
    #[must_use]
    pub fn ignoring(port_ids: &[u32]) -> Self {
        let mut program = vec![Instruction::plain(LOAD_WORD, NLMSG_PID_OFFSET)];
        for port_id in port_ids {
            program.push(Instruction {
                code: JUMP_IF_EQUAL,
                jump_true: 0,
                jump_false: 1,
                // The header is in host order, but loads are big-endian.
                operand: u32::from_be_bytes(port_id.to_ne_bytes()),
            });
            program.push(Instruction::plain(RETURN, DROP));
        }
        program.push(Instruction::plain(RETURN, KEEP));
        Self { program }
    }

    /// Returns the program as the socket takes it.
    pub(super) fn program(&self) -> Vec<SockFilter> {
        let instructions = self.program.iter();
        instructions
            .map(|it| SockFilter::new(it.code, it.jump_true, it.jump_false, it.operand))
            .collect()
    }
}

impl Instruction {
    const fn plain(code: u16, operand: u32) -> Self {
        Self {
            code,
            jump_true: 0,
            jump_false: 0,
            operand,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program on a message, as the kernel does.
    fn keeps(filter: &EventFilter, message: &[u8]) -> bool {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let it = filter.program[at];
            at += 1;
            match it.code {
                LOAD_WORD => {
                    let start = it.operand as usize;
                    accumulator = u32::from_be_bytes(message[start..start + 4].try_into().unwrap());
                }
                JUMP_IF_EQUAL if accumulator == it.operand => at += usize::from(it.jump_true),
                JUMP_IF_EQUAL => at += usize::from(it.jump_false),
                RETURN => return it.operand != DROP,
                code => panic!("instruction {code:#x} is not known"),
            }
        }
    }

    fn message_of(port_id: u32) -> Vec<u8> {
        let mut message = vec![0xff; 20];
        message[12..16].copy_from_slice(&port_id.to_ne_bytes());
        message
    }

    #[test]
    fn what_the_given_sockets_cause_is_dropped() {
        let filter = EventFilter::ignoring(&[0x1234_5678, 77]);
        for (port_id, is_kept) in [(0x1234_5678, false), (77, false), (0, true), (0x7856_3412, true)] {
            assert_eq!(
                keeps(&filter, &message_of(port_id)),
                is_kept,
                "port id {port_id:#x}"
            );
        }
    }

    #[test]
    fn without_sockets_everything_is_kept() {
        assert!(keeps(&EventFilter::ignoring(&[]), &message_of(0)));
    }
}
