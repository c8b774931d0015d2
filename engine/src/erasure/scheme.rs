//! How many shards a stripe has, and how many of them suffice: `k` data shards and `m` parity shards.

use std::fmt;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

/// No stripe is wider: 48 shards, one for each of at most 48 peers.
pub const WIDTH_MAX: u8 = 48;

/// Table 4.2 of mutual-backup: from how many eligible peers on, then data and parity shards. Between two rows are the spares.
const TABLE: [(usize, u8, u8); 12] = [
    (1, 1, 0),
    (2, 1, 1),
    (4, 2, 2),
    (6, 3, 2),
    (8, 4, 3),
    (10, 5, 3),
    (12, 6, 4),
    (16, 9, 5),
    (20, 12, 6),
    (24, 14, 7),
    (32, 20, 10),
    (48, 30, 15),
];

/// `k` data and `m` parity shards; any `k` of the `k + m` give the pack back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheme {
    data: u8,
    parity: u8,
}

impl Scheme {
    /// A scheme of at least one data shard and at most [`WIDTH_MAX`] shards; `None` for any other.
    #[must_use]
    pub const fn new(data: u8, parity: u8) -> Option<Self> {
        if data >= 1 && data <= WIDTH_MAX && parity <= WIDTH_MAX - data { Some(Self { data, parity }) } else { None }
    }

    /// The scheme for `n` eligible peers by table 4.2 of mutual-backup; `None` for no peer at all.
    #[must_use]
    pub fn for_peers(n: usize) -> Option<Self> {
        let (_, data, parity) = *TABLE.iter().rev().find(|(from, _, _)| *from <= n)?;
        Self::new(data, parity)
    }

    /// Every scheme of the table, narrow ones first.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().filter_map(|(_, data, parity)| Self::new(*data, *parity))
    }

    /// How many shards suffice, `k`: also how many hold the sealed pack itself, those with the lowest indexes.
    #[must_use]
    pub const fn data(self) -> u8 {
        self.data
    }

    /// How many shards may be lost, `m`.
    #[must_use]
    pub const fn parity(self) -> u8 {
        self.parity
    }

    /// All shards, `k + m`: their indexes are below this.
    #[must_use]
    pub const fn width(self) -> u8 {
        self.data + self.parity
    }

    /// From how many receipts on a stripe counts as safe outside: `k` and half of `m`, rounded up (mutual-backup 4.4).
    #[must_use]
    pub const fn off_site_safe(self) -> u8 {
        self.data + self.parity.div_ceil(2)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.data, self.parity)
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheme({self})")
    }
}

impl<C> Encode<C> for Scheme {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.u8(self.data)?.u8(self.parity)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Scheme {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let refused = || minicbor::decode::Error::message("not a scheme");
        if d.array()? != Some(2) {
            return Err(refused());
        }
        Self::new(d.u8()?, d.u8()?).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_of_schemes_is_the_design_s() {
        let shown = |n| Scheme::for_peers(n).map(|s| s.to_string()).unwrap_or_default();
        let table = [
            (0..=0, ""),
            (1..=1, "1+0"),
            (2..=3, "1+1"),
            (4..=5, "2+2"),
            (6..=7, "3+2"),
            (8..=9, "4+3"),
            (10..=11, "5+3"),
            (12..=15, "6+4"),
            (16..=19, "9+5"),
            (20..=23, "12+6"),
            (24..=31, "14+7"),
            (32..=47, "20+10"),
            (48..=200, "30+15"),
        ];
        for (peers, expected) in table {
            for n in peers {
                assert_eq!(shown(n), expected, "{n} peers");
            }
        }
        assert_eq!(Scheme::all().count(), 12);
    }

    #[test]
    fn a_stripe_counts_as_safe_when_half_of_its_parity_is_out_too() {
        let safe = |k, m| Scheme::new(k, m).expect("scheme").off_site_safe();
        assert_eq!([safe(1, 0), safe(1, 1), safe(2, 2), safe(6, 4), safe(9, 5), safe(30, 15)], [1, 2, 3, 8, 12, 38]);
        assert!(Scheme::all().all(|s| s.data() <= s.off_site_safe() && s.off_site_safe() <= s.width()));
    }

    #[test]
    fn schemes_that_cannot_be_are_refused() {
        assert_eq!(Scheme::new(0, 1), None);
        assert_eq!(Scheme::new(30, 19), None);
        assert_eq!(Scheme::new(49, 0), None);
        assert_eq!(Scheme::new(255, 255), None);
        assert!(minicbor::decode::<Scheme>(&[0x82, 0x00, 0x01]).is_err());
        assert!(minicbor::decode::<Scheme>(&[0x83, 0x01, 0x01, 0x01]).is_err());
    }

    proptest! {
        #[test]
        fn schemes_survive_cbor(data: u8, parity: u8) {
            let Some(scheme) = Scheme::new(data, parity) else { return Ok(()) };
            let bytes = minicbor::to_vec(scheme).expect("encode");
            prop_assert_eq!(minicbor::decode::<Scheme>(&bytes).expect("decode"), scheme);
        }
    }
}
