//! Classic BPF code, written from its end to its beginning.
//!
//! Jumps of classic BPF lead forward only. Written backwards, what a jump leads to is always there
//! already, and its distance known. A [`Label`] is an instruction that is there; each method returns
//! the label of what it has put before everything else.

use std::collections::BTreeMap;

// linux/bpf_common.h
const BPF_LD_W_ABS: u16 = 0x20;
const BPF_LD_H_ABS: u16 = 0x28;
const BPF_LD_B_ABS: u16 = 0x30;
const BPF_LD_W_IND: u16 = 0x40;
const BPF_LD_B_IND: u16 = 0x50;
const BPF_LD_IMM: u16 = 0x00;
const BPF_LDX_IMM: u16 = 0x01;
const BPF_JMP_JA: u16 = 0x05;
const BPF_JMP_JEQ_K: u16 = 0x15;
const BPF_JMP_JGT_K: u16 = 0x25;
const BPF_JMP_JGE_K: u16 = 0x35;
const BPF_RET_K: u16 = 0x06;
const BPF_MISC_TAX: u16 = 0x07;

// linux/filter.h: loads from behind this offset are no loads, but look something up.
const SKF_AD_OFF: u32 = 0xffff_f000;
const SKF_AD_NLATTR: u32 = SKF_AD_OFF + 12;
const SKF_AD_NLATTR_NEST: u32 = SKF_AD_OFF + 16;

/// What a program returns to drop the event.
pub(super) const DROP: u32 = 0;
/// What a program returns to keep the event: the number of bytes that are kept of it.
pub(super) const KEEP: u32 = u32::MAX;

/// The furthest that a conditional jump reaches, in instructions.
const REACH: usize = 255;

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    /// Instructions to skip if the comparison holds.
    pub(super) jump_true: u8,
    /// Instructions to skip if it does not.
    pub(super) jump_false: u8,
    pub(super) operand: u32,
}

/// An instruction that is there, by its distance from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(usize);

/// What is put into the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// The big-endian word at this offset of the event.
    Word(u32),
    /// The big-endian half word.
    Half(u32),
    /// The byte.
    Byte(u32),
    /// The word at this offset from where the index register points.
    IndexedWord(u32),
    /// The byte.
    IndexedByte(u32),
}

/// What the accumulator is compared with the operand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// It is the same.
    Equal,
    /// It is greater.
    Greater,
    /// It is the same or greater.
    AtLeast,
}

/// A range of values of the accumulator, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) target: Label,
}

/// Code under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assembler {
    /// The instructions, last one first.
    reversed: Vec<Instruction>,
    /// The nearest unconditional jump to a label, for branches that do not reach so far.
    islands: BTreeMap<Label, Label>,
}

impl Assembler {
    /// Returns the number of instructions.
    pub(super) const fn len(&self) -> usize {
        self.reversed.len()
    }

    /// Returns the instructions, first one first.
    pub(super) fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.reversed.iter().rev()
    }

    /// Ends the program with `value`.
    pub(super) fn ret(&mut self, value: u32) -> Label {
        self.put(BPF_RET_K, value)
    }

    /// Loads the accumulator and goes on at `next`.
    pub(super) fn load(&mut self, load: Load, next: Label) -> Label {
        let (code, offset) = match load {
            Load::Word(offset) => (BPF_LD_W_ABS, offset),
            Load::Half(offset) => (BPF_LD_H_ABS, offset),
            Load::Byte(offset) => (BPF_LD_B_ABS, offset),
            Load::IndexedWord(offset) => (BPF_LD_W_IND, offset),
            Load::IndexedByte(offset) => (BPF_LD_B_IND, offset),
        };
        self.then(code, offset, next)
    }

    /// Looks for an attribute by the numbers of the nests it is in and its own, from offset `start`
    /// on; goes on at `found` with the index register at its header, or at `missing`.
    pub(super) fn find(&mut self, start: u32, path: &[u16], found: Label, missing: Label) -> Label {
        let mut next = self.then(BPF_MISC_TAX, 0, found);
        for (depth, kind) in path.iter().enumerate().rev() {
            let lookup = if depth == 0 {
                SKF_AD_NLATTR
            } else {
                SKF_AD_NLATTR_NEST
            };
            // The offset of what was found, 0 if nothing was.
            next = self.branch(Test::Equal, 0, missing, next);
            next = self.then(BPF_LD_W_ABS, lookup, next);
            next = self.then(BPF_LDX_IMM, u32::from(*kind), next);
        }
        self.then(BPF_LD_IMM, start, next)
    }

    /// Goes where the accumulator leads: `cases` are sorted and disjoint; what is in none leads to
    /// `default`.
    pub(super) fn switch(&mut self, cases: &[Case], default: Label) -> Label {
        self.switch_within(0, u32::MAX, cases, default)
    }

    /// A binary search; the accumulator is known to be in `least..=most`.
    fn switch_within(&mut self, least: u32, most: u32, cases: &[Case], default: Label) -> Label {
        let [first, .., _] = cases else {
            return match cases {
                [] => default,
                [case, ..] => self.case_within(least, most, case, default),
            };
        };
        let (lower, upper) = cases.split_at(cases.len() / 2);
        let Some(middle) = upper.first().map(|case| case.first) else {
            return default;
        };
        debug_assert!(first.last < middle, "cases are sorted and disjoint");
        let upper = self.switch_within(middle, most, upper, default);
        let lower = self.switch_within(least, middle.saturating_sub(1), lower, default);
        self.branch(Test::AtLeast, middle, upper, lower)
    }

    fn case_within(&mut self, least: u32, most: u32, case: &Case, default: Label) -> Label {
        let Case { first, last, target } = *case;
        if first == last && (least, most) != (first, last) {
            return self.branch(Test::Equal, first, target, default);
        }
        let mut next = target;
        if last < most {
            next = self.branch(Test::Greater, last, default, next);
        }
        if first > least {
            next = self.branch(Test::AtLeast, first, next, default);
        }
        next
    }

    /// Compares the accumulator with `operand` and goes on at one of two places.
    pub(super) fn branch(&mut self, test: Test, operand: u32, holds: Label, fails: Label) -> Label {
        let (holds, fails) = (self.near(holds), self.near(fails));
        let label = self.put(
            match test {
                Test::Equal => BPF_JMP_JEQ_K,
                Test::Greater => BPF_JMP_JGT_K,
                Test::AtLeast => BPF_JMP_JGE_K,
            },
            operand,
        );
        let [jump_true, jump_false] = [holds, fails].map(|target| distance(label, target));
        debug_assert!(jump_true <= REACH && jump_false <= REACH, "`near` sees to it");
        if let Some(instruction) = self.reversed.last_mut() {
            instruction.jump_true = u8::try_from(jump_true).unwrap_or(u8::MAX);
            instruction.jump_false = u8::try_from(jump_false).unwrap_or(u8::MAX);
        }
        label
    }

    /// Returns `target`, or a jump to it that a branch can reach.
    fn near(&mut self, target: Label) -> Label {
        // One more jump may come between this one and the branch.
        let next = Label(self.len().saturating_add(1));
        let is_near = |label| distance(next, label) <= REACH;
        let island = self.islands.get(&target).copied();
        [Some(target), island]
            .into_iter()
            .flatten()
            .find(|label| is_near(*label))
            .unwrap_or_else(|| {
                let island = self.jump(target);
                self.islands.insert(target, island);
                island
            })
    }

    /// Puts an instruction that goes on at `next`.
    fn then(&mut self, code: u16, operand: u32, next: Label) -> Label {
        if distance(Label(self.len()), next) > 0 {
            self.jump(next);
        }
        self.put(code, operand)
    }

    /// Jumps to `target`, however far.
    fn jump(&mut self, target: Label) -> Label {
        let skipped = distance(Label(self.len()), target);
        self.put(BPF_JMP_JA, u32::try_from(skipped).unwrap_or(u32::MAX))
    }

    fn put(&mut self, code: u16, operand: u32) -> Label {
        let label = Label(self.len());
        self.reversed.push(Instruction {
            code,
            jump_true: 0,
            jump_false: 0,
            operand,
        });
        label
    }
}

/// Returns how many instructions stand between two.
const fn distance(from: Label, to: Label) -> usize {
    from.0.saturating_sub(to.0).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::interpreter::run;
    use super::*;

    const WORD: u32 = 7;

    /// Puts `n` instructions that do nothing that matters.
    fn fill(code: &mut Assembler, n: usize, mut next: Label) -> Label {
        for _ in 0..n {
            next = code.load(Load::Word(0), next);
        }
        next
    }

    #[test]
    fn branches_reach_their_targets_at_every_distance() {
        let gaps = (245..=265).flat_map(|far| [0, 253, 254, 255, 256].map(|near| (far, near)));
        for (far, near) in gaps {
            let mut code = Assembler::default();
            let end = code.ret(1);
            let first = fill(&mut code, far, end);
            let second = code.ret(2);
            fill(&mut code, near, second);
            for (test, holds, fails) in [
                (WORD, first, second),
                (WORD + 1, first, second),
                (WORD, second, first),
            ] {
                let mut code = code.clone();
                let next = code.branch(Test::Equal, test, holds, fails);
                code.load(Load::Word(0), next);
                let leads_to_first = (holds == first) == (test == WORD);
                let want = if leads_to_first { 1 } else { 2 };
                let event = WORD.to_be_bytes();
                assert_eq!(run(code.instructions(), &event), want, "{far} and {near} between");
            }
        }
    }

    #[test]
    fn a_switch_leads_every_value_to_its_case() {
        let ranges = [(0, 0), (1, 4), (6, 6), (9, 9), (10, 20), (u32::MAX - 1, u32::MAX)];
        for n_cases in 0..=ranges.len() {
            let mut code = Assembler::default();
            let default = code.ret(100);
            let cases: Vec<_> = (0..)
                .zip(&ranges[..n_cases])
                .map(|(place, &(first, last))| Case {
                    first,
                    last,
                    target: code.ret(place),
                })
                .collect();
            let next = code.switch(&cases, default);
            code.load(Load::Word(0), next);
            for value in (0..25).chain(u32::MAX - 3..=u32::MAX) {
                let found = ranges[..n_cases]
                    .iter()
                    .position(|&(first, last)| (first..=last).contains(&value));
                let want = found.map_or(100, |place| place as u32);
                assert_eq!(
                    run(code.instructions(), &value.to_be_bytes()),
                    want,
                    "{value} of {n_cases} cases"
                );
            }
        }
    }
}
