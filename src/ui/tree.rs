//! Trees in text.

/// A line and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    pub line: String,
    pub children: Vec<Tree>,
}

impl Tree {
    pub fn leaf(line: impl Into<String>) -> Tree {
        Tree { line: line.into(), children: vec![] }
    }

    pub fn text(&self) -> String {
        let mut lines = vec![self.line.clone()];
        self.below("", &mut lines);
        lines.join("\n")
    }

    fn below(&self, indent: &str, lines: &mut Vec<String>) {
        for (at, child) in self.children.iter().enumerate() {
            let (branch, further) =
                if at + 1 == self.children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            lines.push(format!("{indent}{branch}{}", child.line));
            child.below(&format!("{indent}{further}"), lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_drawn() {
        let inner = Tree { line: "b".into(), children: vec![Tree::leaf("c")] };
        let tree = Tree { line: "a".into(), children: vec![inner, Tree::leaf("d")] };
        assert_eq!(tree.text(), "a\n├─ b\n│  └─ c\n└─ d");
    }
}
