package feed

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"parley/ent/gen"
	"parley/ent/gen/predicate"
	"parley/ent/gen/profile"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/page"
	"parley/internal/store"
)

// Profile is what everybody sees of an account.
type Profile struct {
	// ID is the account's.
	ID string
	// Handle and DisplayName are nil while the account has chosen none.
	Handle, DisplayName *string
	key                 []byte
}

var notFound = &gen.NotFoundError{}

// fold is how names are compared.
func fold(name string) []byte {
	// A Caser has a state and is not shared.
	return []byte(norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name))))
}

// ProfileInput is the input of SetProfile.
type ProfileInput struct {
	Handle string
	// DisplayName is the handle when it is nil.
	DisplayName *string
}

var handles = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_]{%d,%d}$`, MinHandle, MaxHandle))

// Validate reports every problem of the input.
func (in ProfileInput) Validate() error {
	var errs []error
	if !handles.MatchString(in.Handle) {
		errs = append(errs, apperr.Input("handle", "A handle has %d to %d of the letters a to z, digits and _.", MinHandle, MaxHandle))
	}
	if in.DisplayName != nil {
		errs = append(errs, checkText("displayName", "A name", *in.DisplayName, MaxDisplayName))
		if strings.TrimSpace(*in.DisplayName) == "" {
			errs = append(errs, apperr.Input("displayName", "A name is not empty: leave it out instead."))
		}
	}
	return errors.Join(errs...)
}

// named gives the name to show.
func (in ProfileInput) named() string {
	if in.DisplayName == nil {
		return in.Handle
	}
	return strings.TrimSpace(*in.DisplayName)
}

// Set is the viewer's profile with the cursor before the call.
type Set struct {
	Profile *Profile
	Cursor  event.Cursor
}

// SetProfile says what everybody sees of the viewer. A handle that somebody else has,
// whatever the case, is a CONFLICT.
func (s *Service) SetProfile(ctx context.Context, in ProfileInput) (*Set, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	set := &Set{}
	set.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		if err := s.saveProfile(ctx, viewer.ID, in, false); store.Duplicate(err) {
			return at(apperr.New(apperr.Conflict, "The handle %q is taken.", in.Handle), "input", "handle")
		} else if err != nil {
			return fmt.Errorf("save a profile: %w", err)
		}
		found, err := s.Profiles(ctx, []string{viewer.ID})
		set.Profile = found[viewer.ID]
		return err
	})
	if err != nil {
		return nil, err
	}
	return set, nil
}

// Profiles gives the profiles of accounts, which must be there, by their ids.
func (s *Service) Profiles(ctx context.Context, ids []string) (map[string]*Profile, error) {
	rows, err := s.store.Client(ctx).Profile.Query().Where(profile.IDIn(ids...)).All(asSystem(ctx))
	if err != nil {
		return nil, fmt.Errorf("read profiles: %w", err)
	}
	found := make(map[string]*Profile, len(ids))
	for _, id := range ids {
		found[id] = &Profile{ID: id}
	}
	for _, row := range rows {
		found[row.ID] = profileOf(row)
	}
	return found, nil
}

func profileOf(row *gen.Profile) *Profile {
	return &Profile{ID: row.ID, Handle: &row.Handle, DisplayName: &row.DisplayName, key: row.HandleKey}
}

// Profile gives that of an account, of the viewer's where none is named.
func (s *Service) Profile(ctx context.Context, account *string) (*Profile, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if account == nil {
		account = &viewer.ID
	}
	if err := store.CheckID(prefixUser, *account, "userId"); err != nil {
		return nil, err
	}
	known, err := s.known(ctx, *account)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, store.Found(notFound, "user")
	}
	found, err := s.Profiles(ctx, []string{*account})
	return found[*account], err
}

// byHandle is the order of the list of profiles.
var byHandle = page.Order[*Profile]{
	Name: "HANDLE", Column: profile.FieldHandleKey, Key: func(p *Profile) (any, string) { return p.key, p.ID },
}

// Users gives a page of those who chose a handle, whose handle or name begins with a text.
func (s *Service) Users(ctx context.Context, search *string, args page.Args) (*page.Page[*Profile], error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	var where []predicate.Profile
	if search != nil {
		if !store.Storable(*search) || len(*search) > 4*MaxDisplayName {
			return nil, apperr.Argument("search", "A search has at most %d bytes of UTF-8 without NUL characters.", 4*MaxDisplayName)
		}
		if begin := fold(strings.TrimSpace(*search)); len(begin) > 0 {
			end := append([]byte(nil), begin...)
			end[len(end)-1]++ // keys are UTF-8, in which no byte is 255
			where = append(where, profile.Or(
				profile.And(profile.HandleKeyGTE(begin), profile.HandleKeyLT(end)), profile.And(profile.NameKeyGTE(begin), profile.NameKeyLT(end)),
			))
		}
	}
	ctx = asSystem(ctx)
	return page.Load(args, byHandle,
		func(c page.Cut, limit int) ([]*Profile, error) {
			rows, err := s.store.Client(ctx).Profile.Query().Where(where...).Where(predicate.Profile(c.Where)).
				Order(profile.OrderOption(c.Order)).Limit(limit).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("list profiles: %w", err)
			}
			all := make([]*Profile, len(rows))
			for i, row := range rows {
				all[i] = profileOf(row)
			}
			return all, nil
		},
		func() (int, error) { return s.store.Client(ctx).Profile.Query().Where(where...).Count(ctx) },
	)
}
