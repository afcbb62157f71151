//! Runs a program as the kernel does, for tests.

use super::assembler::Instruction;

/// Returns what the program returns for `event`.
///
/// Numbers of instructions and look-ups are those of linux/bpf_common.h and linux/filter.h, spelled
/// out here so that a wrong constant of the assembler shows.
pub(super) fn run<'a>(program: impl IntoIterator<Item = &'a Instruction>, event: &[u8]) -> u32 {
    let program: Vec<_> = program.into_iter().collect();
    let (mut accumulator, mut index) = (0_u32, 0_u32);
    let mut at = 0;
    loop {
        let it = program[at];
        at += 1;
        let jump = |holds| usize::from(if holds { it.jump_true } else { it.jump_false });
        accumulator = match it.code {
            0x00 => it.operand,
            0x01 => {
                index = it.operand;
                accumulator
            }
            0x07 => {
                index = accumulator;
                accumulator
            }
            0x20 if it.operand == 0xffff_f00c => attribute(event, accumulator, event.len(), index),
            0x20 if it.operand == 0xffff_f010 => nested(event, accumulator, index),
            0x20 => big_endian(event, it.operand, 4),
            0x28 => big_endian(event, it.operand, 2),
            0x30 => big_endian(event, it.operand, 1),
            0x40 => big_endian(event, index + it.operand, 4),
            0x50 => big_endian(event, index + it.operand, 1),
            0x05 => {
                at += it.operand as usize;
                accumulator
            }
            0x15 => {
                at += jump(accumulator == it.operand);
                accumulator
            }
            0x25 => {
                at += jump(accumulator > it.operand);
                accumulator
            }
            0x35 => {
                at += jump(accumulator >= it.operand);
                accumulator
            }
            0x06 => return it.operand,
            code => panic!("instruction {code:#x} is not known"),
        };
    }
}

fn big_endian(event: &[u8], offset: u32, len: usize) -> u32 {
    let bytes = &event[offset as usize..][..len];
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Returns the offset of the first attribute of this kind from `start` on, 0 if there is none.
fn attribute(event: &[u8], start: u32, end: usize, kind: u32) -> u32 {
    const NLA_TYPE_MASK: u16 = 0x3fff;
    let half = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
    let mut at = start as usize;
    while at + 4 <= end && usize::from(half(at)) >= 4 && at + usize::from(half(at)) <= end {
        if u32::from(half(at + 2) & NLA_TYPE_MASK) == kind {
            return at as u32;
        }
        at += usize::from(half(at)).next_multiple_of(4);
    }
    0
}

/// Returns the same for the attributes in the one at `nest`.
fn nested(event: &[u8], nest: u32, kind: u32) -> u32 {
    let at = nest as usize;
    let len = usize::from(u16::from_ne_bytes([event[at], event[at + 1]]));
    attribute(event, nest + 4, at + len, kind)
}
