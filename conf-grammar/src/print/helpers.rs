//! Section `Helper`.

use super::{Printer, Spell};
use crate::model::{Helper, HelperPolicy, Helpers, KNOWN_HELPERS};
use crate::schema::BlockKind;

/// Writes the section if it configures anything, or if it is all there is.
pub(super) fn helpers(helpers: &Helpers, is_alone: bool, out: &mut Printer) {
    let Helpers { setup, types } = helpers;
    if !is_alone && !setup.value && types.is_empty() {
        return;
    }
    out.open("Helper", BlockKind::Helper);
    out.setting("Setup", setup);
    for helper in types {
        helper_type(helper, out);
    }
    out.close();
}

fn helper_type(helper: &Helper, out: &mut Printer) {
    let Helper {
        name,
        l3,
        l4,
        queue_num,
        queue_len,
        policy,
    } = helper;
    let head = format!("Type {} {} {}", name.value, l3.value.spell(), l4.value.spell());
    out.open(&head, BlockKind::HelperType);
    out.setting("QueueNum", queue_num);
    out.setting("QueueLen", queue_len);
    self::policy(policy, out);
    out.close();
}

/// Writes the policy of a helper. A block in which every clause is a comment would be an error, so that
/// one is a comment as a whole.
fn policy(policy: &HelperPolicy, out: &mut Printer) {
    let HelperPolicy {
        name,
        expect_max,
        expect_timeout_secs,
    } = policy;
    let known = KNOWN_HELPERS.iter().find(|known| known.name == *name);
    let (max, timeout) = match known {
        Some(known) => (known.expect_max, known.expect_timeout_secs),
        None => (0, 0),
    };
    if expect_max.value == max && expect_timeout_secs.value == timeout {
        out.remark(&format!(
            "Policy {name} {{ ExpectMax {max} ExpectTimeout {timeout} }}  # default"
        ));
        return;
    }
    out.open(&format!("Policy {name}"), BlockKind::HelperPolicy);
    out.setting_or("ExpectMax", expect_max, Some(&max.spell()));
    out.setting_or("ExpectTimeout", expect_timeout_secs, Some(&timeout.spell()));
    out.close();
}
