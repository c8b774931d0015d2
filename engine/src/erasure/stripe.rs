//! Pack to shards.

use super::code::ParityEncoder;
use super::layout::{HEADER_LEN, Layout, PACK_LEN_MAX};
use super::scheme::Scheme;
use super::shard::{BlockKey, Shard, ShardHeader};
use crate::ids::PackId;
use crate::keys::DispersalSecret;

/// Why no stripe can be made of a pack.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Empty, or longer than any pack.
    #[error("a pack of {0} bytes cannot be coded; it has 1 to {PACK_LEN_MAX}")]
    Length(usize),
    /// The bytes are damaged, or those of another pack. Nothing may be sealed in the name of a pack but its own bytes.
    #[error("the bytes are not those of pack {0}")]
    Name(PackId),
    /// The stripe has no shard with this index.
    #[error("a stripe of {scheme} has no shard {index}")]
    Index {
        /// The scheme.
        scheme: Scheme,
        /// The index that was asked for.
        index: u8,
    },
}

/// A pack whose bytes were checked, ready to be coded.
pub struct Stripe<'a> {
    pack: &'a [u8],
    id: PackId,
    layout: Layout,
    key: BlockKey,
    secret: &'a DispersalSecret,
}

impl<'a> Stripe<'a> {
    /// Takes a whole pack and checks that it is the one it is said to be.
    ///
    /// # Errors
    /// [`StripeError::Length`], [`StripeError::Name`].
    pub fn new(id: PackId, pack: &'a [u8], scheme: Scheme, secret: &'a DispersalSecret) -> Result<Self, StripeError> {
        let layout = Layout::new(scheme, pack.len()).ok_or(StripeError::Length(pack.len()))?;
        Self::again(id, pack, layout, secret)
    }

    /// [`Self::new`] for a stripe that is outside already: its shards come out under the names that they have.
    ///
    /// # Errors
    /// [`StripeError::Length`] also when the layout is that of another length; [`StripeError::Name`].
    pub fn again(id: PackId, pack: &'a [u8], layout: Layout, secret: &'a DispersalSecret) -> Result<Self, StripeError> {
        if layout.pack_len() != pack.len() {
            return Err(StripeError::Length(pack.len()));
        }
        if blake3::hash(pack).as_bytes() != id.as_bytes() {
            return Err(StripeError::Name(id));
        }
        let key = BlockKey::derive(secret, id, &layout);
        Ok(Self { pack, id, layout, key, secret })
    }

    /// The geometry.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All shards, in the order of their indexes.
    #[must_use]
    pub fn encode(&self) -> Vec<Shard> {
        self.encode_reusing(&mut Vec::new())
    }

    /// [`Self::encode`] into the memory of files that are done with: fresh memory costs as much as sealing and coding.
    ///
    /// `used`: the bytes of earlier shards, whose content does not matter; what is taken is taken out.
    #[must_use]
    pub fn encode_reusing(&self, used: &mut Vec<Vec<u8>>) -> Vec<Shard> {
        let k = self.layout.scheme().data();
        let mut begin = |index| self.begin(index, used.pop().unwrap_or_default());
        let mut data: Vec<_> = (0..k).map(&mut begin).collect();
        let mut parity: Vec<_> = (k..self.layout.scheme().width()).map(&mut begin).collect();
        let mut encoder = ParityEncoder::new(self.layout.scheme());
        // Block by block, while what was just sealed is still in the cache.
        for block in 0..self.layout.blocks() {
            for (index, file) in (0..k).zip(&mut data) {
                self.seal(index, block, file);
            }
            let place = self.layout.block_in_body(block);
            let place = HEADER_LEN + place.start..HEADER_LEN + place.end;
            encoder.encode(data.iter().map(|file| &file[place.clone()]), |number, range| {
                parity[number].extend_from_slice(range);
            });
        }
        (0..).zip(data.into_iter().chain(parity)).map(|(index, file)| Shard::finish(index, file)).collect()
    }

    /// Some shards alone, in the order of `indexes`, to put them back where they were lost: data shards for the cost of sealing
    /// them, parity shards for that of sealing and coding the whole pack once, but without holding the others. `used`: as for
    /// [`Self::encode_reusing`].
    ///
    /// # Errors
    /// [`StripeError::Index`].
    pub fn encode_some(&self, indexes: &[u8], used: &mut Vec<Vec<u8>>) -> Result<Vec<Shard>, StripeError> {
        let scheme = self.layout.scheme();
        if let Some(index) = indexes.iter().copied().find(|index| *index >= scheme.width()) {
            return Err(StripeError::Index { scheme, index });
        }
        let begin = |index: &u8| (*index, self.begin(*index, used.pop().unwrap_or_default()));
        let mut files: Vec<(u8, Vec<u8>)> = indexes.iter().map(begin).collect();
        let is_coded = indexes.iter().any(|index| *index >= scheme.data());
        let mut encoder = ParityEncoder::new(scheme);
        let mut row = vec![Vec::new(); usize::from(scheme.data())];
        for block in 0..self.layout.blocks() {
            if !is_coded {
                files.iter_mut().for_each(|(index, file)| self.seal(*index, block, file));
                continue;
            }
            for (index, sealed) in (0..).zip(&mut row) {
                sealed.clear();
                self.seal(index, block, sealed);
            }
            for (index, file) in &mut files {
                file.extend_from_slice(row.get(usize::from(*index)).map_or(&[][..], Vec::as_slice));
            }
            encoder.encode(row.iter().map(Vec::as_slice), |number, range| {
                let is_it =
                    |index: u8| index.checked_sub(scheme.data()).is_some_and(|made| usize::from(made) == number);
                let made = files.iter_mut().filter(|(index, _)| is_it(*index));
                made.for_each(|(_, file)| file.extend_from_slice(range));
            });
        }
        Ok(files.into_iter().map(|(index, file)| Shard::finish(index, file)).collect())
    }

    /// A shard file with its header, and room for its body.
    fn begin(&self, index: u8, mut file: Vec<u8>) -> Vec<u8> {
        file.clear();
        file.reserve_exact(self.layout.shard_len());
        let header = ShardHeader { pack: self.id, index, layout: self.layout };
        file.extend_from_slice(&header.seal(self.secret));
        file
    }

    fn seal(&self, shard: u8, block: usize, body: &mut Vec<u8>) {
        let plain = self.layout.block_in_pack(shard, block);
        let there = self.pack.get(plain.start..plain.end.min(self.pack.len())).unwrap_or_default();
        self.key.seal(shard, block, there, plain.len(), body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erasure::layout::StripeVersion;
    use crate::erasure::restore::restore;
    use crate::erasure::shard::ShardFile;
    use crate::erasure::testing::{pack, secret};

    /// Length of the shard files, hash of all their names one after the other, name of the first.
    const GOLDEN: [(usize, &str, &str); 5] = [
        (
            65_728,
            "dcacc1145387e5dafd7b7f738aa7eae887d2ba0249d8dab6d43509552db05109",
            "4731a7bfa96296e4781da29ebd5d1945e719fecd3ef08249a4aa7d60b3116a37",
        ),
        (
            204_992,
            "d46e5c32e616015b330f2c396d559f96706eec8d8339621910711d21cdc3363a",
            "0ccebc7ac64c5d9b522987bdb5a7f590fa5d09afb7ce579b90286c4911a3f72d",
        ),
        (
            169_536,
            "705b34f6868d03ca3932f7048e3f3340b26aebd56d979a1e758a14276d51b411",
            "dea4bd836ec813d15da554f113e3d01854f79ae51ce334c11818fa82d25280f1",
        ),
        (
            103_936,
            "80f97c6c99ec2ce9d4b89d5ad417325dcfc8e460467794566f29a554ee99cc0c",
            "da2c9a6feb5bf14e185d6ea71fc7a3a6acf6e0eba4fb6c99f619bfd96c24a6c0",
        ),
        (
            67_904,
            "58dc4ed435de116db116a363f4ffb6d9ef980dcc22e51697731493e2a738e904",
            "eff6a620aefbb958e278388b543ac43a674e7e16084b1d4fbe7b9ad604c15ce1",
        ),
    ];

    /// The same of the second version.
    const GOLDEN_SECOND: [(usize, &str, &str); 5] = [
        (
            65_728,
            "2987eaf85d33bfba860e2e40e4b8e7586bb6da90328a0dc302b6c824a5e99aa6",
            "4ca02882a9cc44e70aa7dbeead68be09e1ecf2cc762ecf92f5257b3b3493274d",
        ),
        (
            200_896,
            "45abc97c925669a8f1a59aff26ba351bf691c92e5d3d35caba9f3682c8a4778d",
            "75ebb9934675aa22ccf186e56e170d9b41e3c14124e79c284ea5b38d554dd9e5",
        ),
        (
            169_536,
            "206f5ca87469574376aaae4306c14a11d84a81da7b30d4f9546ba8e1b01db5ed",
            "f391fba4b87374792a88816f358352152200103ff06d4410a9061b5f7334a721",
        ),
        (
            101_248,
            "49d8c4f651d901c0c958205b4247ae9a9a86a3aa32544f2229427bbc2599f2f9",
            "e3cfb2a3e46dcb0349a9543b798a93c241a534389776051e49baffbc9802d2a3",
        ),
        (
            67_904,
            "29f860e841ad3424eacfc18b01b7564dcb17d727469dd4192bb9584a77b4594e",
            "27d09a4237d390c64236bddb64396181b8fb1051503bde53085652e01914edc7",
        ),
    ];

    #[test]
    fn a_stripe_that_is_outside_is_made_again_as_it_was_cut() {
        let secret = secret();
        let (id, bytes) = pack(300_000);
        let scheme = Scheme::new(3, 2).expect("scheme");
        let first = Layout::of(StripeVersion::First, scheme, bytes.len()).expect("layout");
        let shards = Stripe::again(id, &bytes, first, &secret).expect("stripe").encode();
        let files: Vec<_> = shards[1..4]
            .iter()
            .map(|shard| ShardFile::open(&shard.bytes, Some(shard.id), &secret).expect("opens"))
            .collect();
        assert_eq!(files[0].header.layout, first);
        assert_eq!(restore(&files, &secret).expect("any three").bytes, bytes);
        assert_ne!(
            Stripe::new(id, &bytes, scheme, &secret).expect("stripe").encode()[0].bytes.len(),
            first.shard_len()
        );
        assert!(matches!(Stripe::again(id, &bytes[1..], first, &secret), Err(StripeError::Length(299_999))));
    }

    #[test]
    fn shards_made_alone_are_those_of_the_stripe() {
        let secret = secret();
        for scheme in Scheme::all() {
            let (id, bytes) = pack(500_000);
            let stripe = Stripe::new(id, &bytes, scheme, &secret).expect("stripe");
            let shards = stripe.encode();
            assert_eq!(shards.len(), usize::from(scheme.width()));
            let mut used = vec![vec![7; 900_000], vec![7; 3]];
            assert_eq!(stripe.encode_reusing(&mut used), shards);
            for (index, shard) in (0..).zip(&shards) {
                assert_eq!(shard.index, index);
                assert_eq!(shard.bytes.len(), stripe.layout().shard_len());
                let one = stripe.encode_some(&[index], &mut Vec::new()).expect("one");
                assert_eq!(&one, std::slice::from_ref(shard));
            }
            // Data and parity together, in any order.
            let mut indexes: Vec<u8> = (0..scheme.width()).rev().step_by(2).collect();
            let (mut used, expected): (_, Vec<_>) =
                (vec![vec![7; 900_000]], indexes.iter().map(|index| shards[usize::from(*index)].clone()).collect());
            assert_eq!(stripe.encode_some(&indexes, &mut used).expect("some"), expected);
            indexes.push(scheme.width());
            let beyond = stripe.encode_some(&indexes, &mut Vec::new());
            assert!(matches!(beyond, Err(StripeError::Index { .. })));
        }
    }

    #[test]
    fn nothing_is_sealed_in_the_name_of_another_pack() {
        let (secret, scheme) = (secret(), Scheme::new(2, 2).expect("scheme"));
        let (id, mut bytes) = pack(5_000);
        bytes[4_999] ^= 1;
        assert!(matches!(Stripe::new(id, &bytes, scheme, &secret), Err(StripeError::Name(_))));
        assert!(matches!(Stripe::new(id, &[], scheme, &secret), Err(StripeError::Length(0))));
    }

    #[test]
    fn one_data_shard_means_plain_copies() {
        let (secret, scheme) = (secret(), Scheme::new(1, 2).expect("scheme"));
        let (id, bytes) = pack(100_000);
        let shards = Stripe::new(id, &bytes, scheme, &secret).expect("stripe").encode();
        assert!(shards.iter().all(|shard| shard.bytes[HEADER_LEN..] == shards[0].bytes[HEADER_LEN..]));
    }

    #[test]
    fn shards_show_nothing_of_the_pack() {
        let secret = secret();
        let bytes = vec![0x41; 300_000];
        let id = PackId::from_bytes(*blake3::hash(&bytes).as_bytes());
        let scheme = Scheme::new(3, 2).expect("scheme");
        for shard in Stripe::new(id, &bytes, scheme, &secret).expect("stripe").encode() {
            let mut counts = [0_usize; 256];
            shard.bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
            let (mean, most) = (shard.bytes.len() / 256, counts.iter().max().copied().unwrap_or_default());
            assert!(most < mean * 3 / 2, "one value {most} times, {mean} on average");
            assert!(!shard.bytes.windows(4).any(|window| window == &id.as_bytes()[..4]));
        }
    }

    /// Fixed pack, secret and scheme, hence fixed names. If this fails, shards on peers would be made again under other names:
    /// that is another format version, not another expectation here.
    #[test]
    fn shards_keep_their_names_over_versions_of_the_program() {
        let secret = secret();
        let names = |version, len: usize, (k, m): (u8, u8)| {
            let (id, bytes) = pack(len);
            let scheme = Scheme::new(k, m).expect("scheme");
            let layout = Layout::of(version, scheme, len).expect("layout");
            let shards = Stripe::again(id, &bytes, layout, &secret).expect("stripe").encode();
            let lens: std::collections::BTreeSet<_> = shards.iter().map(|shard| shard.bytes.len()).collect();
            let ids: Vec<_> = shards.iter().map(|shard| *shard.id.as_bytes()).collect();
            (lens.into_iter().collect::<Vec<_>>(), blake3::hash(&ids.concat()).to_string(), shards[0].id.to_string())
        };
        let packs = [(1, (1, 0)), (200_000, (1, 1)), (1_000_000, (6, 4)), (300_000, (3, 2)), (2_000_000, (30, 15))];
        for (version, golden) in [(StripeVersion::First, GOLDEN), (StripeVersion::Second, GOLDEN_SECOND)] {
            let found: Vec<_> = packs.into_iter().map(|(len, scheme)| names(version, len, scheme)).collect();
            let found: Vec<_> =
                found.iter().map(|(lens, all, first)| (lens[0], all.as_str(), first.as_str())).collect();
            assert_eq!(found, golden, "{version:?}");
        }
    }
}
