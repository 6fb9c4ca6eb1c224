package server

import (
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// validation gives the rules of GraphQL without the "Did you mean" that would
// tell the schema to whoever guesses. It is a new set each time, because gqlgen
// changes it.
func validation() *rules.Rules {
	all := rules.NewDefaultRules()
	for _, r := range []struct {
		usual string
		quiet core.Rule
	}{
		{rules.FieldsOnCorrectTypeRule.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions},
		{rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions},
		{rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions},
		{rules.ScalarLeafsRule.Name, rules.ScalarLeafsRuleWithoutSuggestions},
		{rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions},
	} {
		all.RemoveRule(r.usual)
		all.AddRule(r.quiet.Name, r.quiet.RuleFunc)
	}
	return all
}
