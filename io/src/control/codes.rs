//! The numbers that requests have on the control socket: those of the stock daemon, so that its client
//! can ask ours and ours can ask it.

use engine::input::{CacheName, DumpFormat, Request, StatsTopic, Table};

/// Returns what a code asks for, `None` if it means nothing.
#[must_use]
pub const fn request(code: i32) -> Option<Request> {
    use CacheName::{External, Internal};
    use DumpFormat::{Text, Xml};
    use Table::{Both, Expectations, Flows};

    const fn dump(cache: CacheName, table: Table, format: DumpFormat) -> Request {
        Request::Dump { cache, table, format }
    }

    Some(match code {
        0 => Request::FlushKernel(Flows),
        1 => Request::ResyncKernel(Flows),
        16 => dump(Internal, Flows, Text),
        17 => dump(External, Flows, Text),
        18 => Request::Commit(Flows),
        // 19 is the older 45: flows only, from a time without expectations. No client sends it.
        19 | 45 => Request::FlushCache(None),
        20 => Request::Stop,
        21 => Request::Statistics(StatsTopic::Flows),
        22 => Request::Bulk,
        23 => Request::RequestResync,
        24 => dump(Internal, Flows, Xml),
        25 => dump(External, Flows, Xml),
        26 => Request::SchedulePurge,
        28 => Request::Statistics(StatsTopic::Network),
        29 => Request::Statistics(StatsTopic::Cache),
        30 => Request::Statistics(StatsTopic::Runtime),
        31 => Request::Statistics(StatsTopic::Link),
        32 => Request::Statistics(StatsTopic::ResendQueue),
        33 => Request::FlushCache(Some(Internal)),
        34 => Request::FlushCache(Some(External)),
        35 => Request::Statistics(StatsTopic::Process),
        36 => Request::Statistics(StatsTopic::Queue),
        37 => Request::Statistics(StatsTopic::Expectations),
        38 => Request::FlushKernel(Expectations),
        39 => Request::ResyncKernel(Expectations),
        40 => dump(Internal, Expectations, Text),
        41 => dump(External, Expectations, Text),
        42 => Request::Commit(Expectations),
        43 => Request::FlushKernel(Both),
        44 => Request::ResyncKernel(Both),
        46 => Request::Commit(Both),
        47 => dump(Internal, Expectations, Xml),
        48 => dump(External, Expectations, Xml),
        // Far from the stock daemon's numbers, which closes such a request without a reply.
        1024 => Request::Statistics(StatsTopic::Counters),
        _ => return None,
    })
}

/// Returns the code of a request, `None` for the dump of both tables, which has none.
#[must_use]
pub const fn code(request: Request) -> Option<i32> {
    Some(match request {
        Request::Dump { cache, table, format } => return dump_code(cache, table, format),
        Request::Commit(Table::Flows) => 18,
        Request::Commit(Table::Expectations) => 42,
        Request::Commit(Table::Both) => 46,
        Request::FlushCache(None) => 45,
        Request::FlushCache(Some(CacheName::Internal)) => 33,
        Request::FlushCache(Some(CacheName::External)) => 34,
        Request::FlushKernel(Table::Flows) => 0,
        Request::FlushKernel(Table::Expectations) => 38,
        Request::FlushKernel(Table::Both) => 43,
        Request::ResyncKernel(Table::Flows) => 1,
        Request::ResyncKernel(Table::Expectations) => 39,
        Request::ResyncKernel(Table::Both) => 44,
        Request::Bulk => 22,
        Request::RequestResync => 23,
        Request::SchedulePurge => 26,
        Request::Statistics(topic) => statistics_code(topic),
        Request::Stop => 20,
    })
}

const fn dump_code(cache: CacheName, table: Table, format: DumpFormat) -> Option<i32> {
    Some(match (cache, table, format) {
        (CacheName::Internal, Table::Flows, DumpFormat::Text) => 16,
        (CacheName::External, Table::Flows, DumpFormat::Text) => 17,
        (CacheName::Internal, Table::Flows, DumpFormat::Xml) => 24,
        (CacheName::External, Table::Flows, DumpFormat::Xml) => 25,
        (CacheName::Internal, Table::Expectations, DumpFormat::Text) => 40,
        (CacheName::External, Table::Expectations, DumpFormat::Text) => 41,
        (CacheName::Internal, Table::Expectations, DumpFormat::Xml) => 47,
        (CacheName::External, Table::Expectations, DumpFormat::Xml) => 48,
        (_, Table::Both, _) => return None,
    })
}

const fn statistics_code(topic: StatsTopic) -> i32 {
    match topic {
        StatsTopic::Flows => 21,
        StatsTopic::Network => 28,
        StatsTopic::Cache => 29,
        StatsTopic::Runtime => 30,
        StatsTopic::Link => 31,
        StatsTopic::ResendQueue => 32,
        StatsTopic::Process => 35,
        StatsTopic::Queue => 36,
        StatsTopic::Counters => 1024,
        StatsTopic::Expectations => 37,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_but_the_old_flush() {
        for number in -1000..=2000 {
            let want = if number == 19 { 45 } else { number };
            if let Some(request) = request(number) {
                assert_eq!(code(request), Some(want), "{request:?}");
            }
        }
    }

    #[test]
    fn unassigned_codes_mean_nothing() {
        let unassigned = (2..=15).chain([-1, 27, 49, 99, i32::MIN, i32::MAX, 21 << 24]);
        for number in unassigned {
            assert_eq!(request(number), None, "{number}");
        }
        let n_assigned = (i32::from(i16::MIN)..=i32::from(i16::MAX))
            .filter(|&n| request(n).is_some())
            .count();
        let (of_the_stock_daemon, ours) = (2 + 33 - 1, 1);
        assert_eq!(n_assigned, of_the_stock_daemon + ours);
    }

    #[test]
    fn a_dump_of_both_tables_has_no_code() {
        let both = Request::Dump {
            cache: CacheName::Internal,
            table: Table::Both,
            format: DumpFormat::Text,
        };
        assert_eq!(code(both), None);
    }
}
