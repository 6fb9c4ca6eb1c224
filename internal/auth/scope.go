package auth

import (
	"context"
	"slices"
	"strings"

	"parley/internal/apperr"
)

// Scope is one thing that an API key may do.
type Scope string

// The scopes.
const (
	ScopeDialogsPush    Scope = "DIALOGS_PUSH"
	ScopeDialogsConsent Scope = "DIALOGS_CONSENT"
	ScopeDialogsErase   Scope = "DIALOGS_ERASE"
	ScopePracticeRecord Scope = "PRACTICE_RECORD"
	ScopePracticeRead   Scope = "PRACTICE_READ"
	ScopeStickersSearch Scope = "STICKERS_SEARCH"
)

// AllScopes lists every scope.
func AllScopes() []Scope {
	return []Scope{
		ScopeDialogsPush, ScopeDialogsConsent, ScopeDialogsErase, ScopePracticeRecord, ScopePracticeRead, ScopeStickersSearch,
	}
}

// Valid tells whether s is one of AllScopes.
func (s Scope) Valid() bool { return slices.Contains(AllScopes(), s) }

// Scopes is a set of scopes.
type Scopes uint8

// ScopesOf makes a set; unknown scopes are left out.
func ScopesOf(list ...Scope) Scopes {
	var set Scopes
	for i, s := range AllScopes() {
		if slices.Contains(list, s) {
			set |= 1 << i
		}
	}
	return set
}

// Has tells whether the set holds one of the scopes.
func (s Scopes) Has(any ...Scope) bool { return s&ScopesOf(any...) != 0 }

// Holds tells whether the set has all of the other's scopes.
func (s Scopes) Holds(other Scopes) bool { return other&^s == 0 }

// RequireScope gives a machine that may do what one of the scopes stands for: a
// key that has it, or a SERVICE account that is signed in, which has them all.
func RequireScope(ctx context.Context, scopes ...Scope) (Viewer, error) {
	v, err := RequireAny(ctx)
	if err != nil {
		return Viewer{}, err
	}
	switch {
	case v.Key != "" && !v.Scopes.Has(scopes...):
		return Viewer{}, apperr.New(apperr.Forbidden, "This API key lacks the scope %s.", words(scopes))
	case v.Role != RoleService:
		return Viewer{}, apperr.New(apperr.Forbidden, "This needs an API key with the scope %s.", words(scopes))
	}
	return v, nil
}

func words(scopes []Scope) string {
	list := make([]string, len(scopes))
	for i, s := range scopes {
		list[i] = string(s)
	}
	return strings.Join(list, " or ")
}
