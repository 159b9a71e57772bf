//! Which artifacts nobody needs any more. The bucket belongs to all stacks that were ever deployed from it.

use std::collections::{BTreeMap, BTreeSet};

use outbox::EpochMs;
use serde::{Deserialize, Serialize};

/// What one good deployment of a stack used; written beside the artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub stack: String,
    pub time: EpochMs,
    pub keys: BTreeSet<String>,
}

/// An object of the bucket, with all its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// Of all versions, in bytes.
    pub size: u64,
    /// When the newest version was written.
    pub modified: EpochMs,
}

/// A stack that exists, with the keys that its parameters name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    pub stack: String,
    pub keys: BTreeSet<String>,
}

/// The stack whose manifest lies under a key, whatever the prefix.
pub fn manifest_of(key: &str) -> Option<&str> {
    let (folder, _) = key.strip_suffix(".json")?.rsplit_once('/')?;
    let (place, stack) = folder.rsplit_once('/')?;
    place.ends_with("/deploys").then_some(stack)
}

/// Where the manifests of all stacks lie.
pub fn manifests(prefix: &str) -> String {
    format!("{prefix}/deploys/")
}

impl Manifest {
    /// Keys sort by time.
    pub fn key(&self, prefix: &str) -> String {
        let time = jiff::Timestamp::from_millisecond(self.time).map(|time| time.strftime("%Y%m%dT%H%M%S.%3fZ"));
        let time = time.map_or_else(|_| self.time.to_string(), |time| time.to_string());
        format!("{}{}/{time}.json", manifests(prefix), self.stack)
    }
}

/// The objects that neither a stack that exists nor one of the last `keep` deployments of any stack uses. Of
/// deployments with the same artifacts the latest counts for all. Only what `deploy` writes, and wrote before a
/// time, is ever named: what is younger may belong to a deployment that is under way.
pub fn removable<'a>(
    prefix: &str,
    objects: &'a [Object],
    live: &[Live],
    manifests: &[Manifest],
    keep: usize,
    before: EpochMs,
) -> Vec<&'a Object> {
    let mut used: BTreeSet<String> = live.iter().flat_map(|live| live.keys.iter().cloned()).collect();
    for manifest in kept(manifests, keep) {
        used.insert(manifest.key(prefix));
        used.extend(manifest.keys.iter().cloned());
    }
    // No parameter names the root template: of a stack without a manifest it is not known which one it has.
    let roots = format!("{prefix}/cft/disa-root-stack-");
    let known = |live: &Live| manifests.iter().any(|manifest| manifest.stack == live.stack);
    let keeps_roots = !live.iter().all(known);
    let ours = ["cft", "code", "deploys"].map(|folder| format!("{prefix}/{folder}/"));
    let is_free = |object: &&Object| {
        ours.iter().any(|folder| object.key.starts_with(folder))
            && !used.contains(&object.key)
            && !(keeps_roots && object.key.starts_with(&roots))
            && object.modified <= before
    };
    objects.iter().filter(is_free).collect()
}

/// The manifests of each stack's last deployments that differ from each other.
fn kept(manifests: &[Manifest], keep: usize) -> Vec<&Manifest> {
    let mut by_stack: BTreeMap<&str, Vec<&Manifest>> = BTreeMap::new();
    for manifest in manifests {
        by_stack.entry(&manifest.stack).or_default().push(manifest);
    }
    let mut kept = vec![];
    for mut all in by_stack.into_values() {
        all.sort_by_key(|manifest| std::cmp::Reverse(manifest.time));
        let mut seen: Vec<&BTreeSet<String>> = vec![];
        for manifest in all {
            if seen.len() < keep && !seen.contains(&&manifest.keys) {
                seen.push(&manifest.keys);
                kept.push(manifest);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const P: &str = "p";

    fn object(key: &str, modified: EpochMs) -> Object {
        Object { key: key.to_owned(), size: 1, modified }
    }

    fn keys(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| format!("{P}/cft/{name}")).collect()
    }

    fn manifest(stack: &str, time: EpochMs, names: &[&str]) -> Manifest {
        Manifest { stack: stack.to_owned(), time, keys: keys(names) }
    }

    fn named(found: &[&Object]) -> Vec<String> {
        found.iter().map(|object| object.key.clone()).collect()
    }

    #[test]
    fn only_what_is_old_ours_and_used_by_nobody_goes() {
        let before = 10;
        let all = ["p/cft/live", "p/cft/last", "p/cft/old", "p/cft/disa-root-stack-0", "p/notes.txt", "q/cft/old"];
        let mut objects: Vec<Object> = all.iter().map(|key| object(key, 0)).collect();
        objects.push(object("p/code/young", before + 1));
        let live = [Live { stack: "s".to_owned(), keys: keys(&["live"]) }];
        let deploys = [manifest("s", 1, &["old"]), manifest("s", 2, &["last"])];
        assert_eq!(
            named(&removable(P, &objects, &live, &deploys, 1, before)),
            ["p/cft/old", "p/cft/disa-root-stack-0"]
        );
        // Both deployments count, and nothing else goes but the root template that none names.
        assert_eq!(named(&removable(P, &objects, &live, &deploys, 2, before)), ["p/cft/disa-root-stack-0"]);
        // A stack from before there were manifests may have any root template.
        assert_eq!(named(&removable(P, &objects, &live, &[], 1, before)), ["p/cft/last", "p/cft/old"]);
    }

    #[test]
    fn deployments_that_changed_nothing_push_no_other_out() {
        let deploys = [
            manifest("s", 1, &["a"]),
            manifest("s", 2, &["b"]),
            manifest("s", 3, &["c"]),
            manifest("s", 4, &["c"]),
            manifest("s", 5, &["b"]),
        ];
        let times: Vec<EpochMs> = kept(&deploys, 2).iter().map(|manifest| manifest.time).collect();
        assert_eq!(times, [5, 4]);
    }

    #[test]
    fn keys_of_manifests_sort_by_time() {
        assert_eq!(manifest_of(&manifest("s", 5, &[]).key("a/b")), Some("s"));
        assert_eq!([manifest_of("p/cft/x.json"), manifest_of("deploys/s/x.json"), manifest_of("x")], [None; 3]);
        let key = |time| manifest("s", time, &[]).key(P);
        assert_eq!(key(1_700_000_000_999), "p/deploys/s/20231114T221320.999Z.json");
        assert!(key(1_700_000_000_999) < key(1_700_000_001_000));
    }

    fn names() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0..12_u8, 0..6)
    }

    proptest! {
        #[test]
        fn nothing_in_use_and_nothing_young_is_ever_removed(
            times in prop::collection::vec(0..20_i64, 12),
            live in prop::collection::vec((0..3_u8, names()), 0..3),
            deploys in prop::collection::vec((0..4_u8, 0..100_i64, names()), 0..12),
            keep in 1..4_usize,
        ) {
            let before = 10;
            let key = |n: u8| format!("{P}/code/{n}");
            let set = |all: &[u8]| all.iter().map(|n| key(*n)).collect::<BTreeSet<_>>();
            let live: Vec<Live> =
                live.iter().map(|(stack, all)| Live { stack: stack.to_string(), keys: set(all) }).collect();
            let deploys: Vec<Manifest> = deploys
                .iter()
                .map(|(stack, time, all)| Manifest { stack: stack.to_string(), time: *time, keys: set(all) })
                .collect();
            let mut objects: Vec<Object> =
                times.iter().enumerate().map(|(n, time)| object(&format!("{P}/code/{n}"), *time)).collect();
            objects.extend(deploys.iter().map(|deploy| object(&deploy.key(P), 0)));
            let found = removable(P, &objects, &live, &deploys, keep, before);
            let removed: BTreeSet<String> = named(&found).into_iter().collect();
            for stack in &live {
                prop_assert!(stack.keys.is_disjoint(&removed));
            }
            for stack in 0..4_u8 {
                let mut own: Vec<_> = deploys.iter().filter(|deploy| deploy.stack == stack.to_string()).collect();
                own.sort_by_key(|deploy| std::cmp::Reverse(deploy.time));
                // The last ones in any case, as many as are kept.
                for deploy in own.into_iter().take(keep) {
                    prop_assert!(deploy.keys.is_disjoint(&removed));
                }
            }
            for object in &objects {
                prop_assert!(object.modified <= before || !removed.contains(&object.key));
            }
            // And nothing that can go stays.
            for object in objects.iter().filter(|object| object.key.starts_with("p/code/")) {
                let used = live.iter().any(|live| live.keys.contains(&object.key))
                    || deploys.iter().any(|deploy| deploy.keys.contains(&object.key));
                prop_assert!(used || object.modified > before || removed.contains(&object.key));
            }
        }
    }
}
