//! Follows links that the kernel will not follow beneath a root: absolute and climbing ones.
//!
//! The walk keeps a place, an absolute path that contains no link, and a stack of names still to
//! be walked. A name inside a tree may be a link: then its target's names join the stack. Outside
//! of all trees nothing is looked at; the walk merely goes on until the names lead into a tree
//! again. What is opened in the end is opened by the kernel, beneath one tree and through no link,
//! so that whoever moves things about meanwhile earns "not found" and never a file from outside.

use crate::tree::Tree;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// How many links one path may lead through; the kernel's own limit.
const LINKS_MAX: usize = 40;

/// Opens `path`, which starts in the first of `trees`, through links that lead into any of them:
/// `XDEV` when they lead nowhere else. May block.
pub(crate) fn open(trees: &[Tree], path: &[u8]) -> Result<OwnedFd, Errno> {
    let place = place(trees, path)?;
    let (tree, inner) = containing(trees, &place).ok_or(Errno::XDEV)?;
    tree.open_straight(if inner.is_empty() { b"." } else { inner })
}

/// Where `path` leads, which starts in the first of `trees`: a path in which there is no link, as
/// far as it lies in one of them. May block.
pub(crate) fn place(trees: &[Tree], path: &[u8]) -> Result<Vec<u8>, Errno> {
    let start = trees.first().ok_or(Errno::NOENT)?;
    let mut place = start.real.clone();
    let mut pending = Vec::new();
    push_names(&mut pending, path);
    let mut links = 0;
    while let Some(name) = pending.pop() {
        if name == b".." {
            place.truncate(place.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
            continue;
        }
        place.push(b'/');
        place.extend_from_slice(&name);
        if let Some(tree) = trees.iter().find(|tree| tree.real == place || tree.typed == place) {
            place.clone_from(&tree.real);
        } else if let Some((tree, inner)) = containing(trees, &place)
            && let Some(target) = tree.link(inner)?
        {
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::LOOP);
            }
            let parent = if target.starts_with(b"/") { 0 } else { place.len() - name.len() - 1 };
            place.truncate(parent);
            push_names(&mut pending, &target);
        }
    }
    Ok(place)
}

/// Puts the names of `path` on the stack, the first one on top.
fn push_names(pending: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|&byte| byte == b'/').rev();
    pending.extend(names.filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec));
}

/// The tree that holds `place`, and the path from there; empty for the tree itself.
fn containing<'a>(trees: &'a [Tree], place: &'a [u8]) -> Option<(&'a Tree, &'a [u8])> {
    trees.iter().find_map(|tree| match place.strip_prefix(&tree.real[..])? {
        [b'/', inner @ ..] => Some((tree, inner)),
        [] => Some((tree, &b""[..])),
        _ => None,
    })
}
