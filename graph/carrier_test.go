package graph

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
)

// follows is a carrier that goes on with any token, until expires.
func follows(expires time.Time, err error) Carrier {
	return Carrier{Reauthenticate: func(context.Context, string) (time.Time, error) { return expires, err }}
}

func TestReauthenticateGivesWhenTheConnectionEnds(t *testing.T) {
	t.Parallel()
	end := time.Unix(100, 0).UTC()
	got, err := reauthenticate(signedIn(WithCarrier(t.Context(), follows(end, nil))), "token")
	require.NoError(t, err)
	require.Equal(t, end, *got)
	got, err = reauthenticate(machine(WithCarrier(t.Context(), follows(time.Time{}, nil))), "token")
	require.NoError(t, err)
	require.Nil(t, got, "a key without an end")
}

func TestReauthenticateIsRefusedWhereItMakesNoSense(t *testing.T) {
	t.Parallel()
	connected := WithCarrier(t.Context(), follows(time.Unix(100, 0), nil))
	refusal := apperr.New(apperr.Unauthenticated, "That is no token.")
	for name, test := range map[string]struct {
		ctx   context.Context
		token string
		want  apperr.Code
		path  []string
	}{
		"nobody":           {connected, "token", apperr.Unauthenticated, nil},
		"no carrier":       {signedIn(t.Context()), "token", apperr.BadInput, nil},
		"plain requests":   {signedIn(WithCarrier(t.Context(), Carrier{Address: "::1"})), "token", apperr.BadInput, nil},
		"no token":         {signedIn(connected), "", apperr.BadInput, []string{"input", "token"}},
		"a token of lies":  {signedIn(WithCarrier(t.Context(), follows(time.Time{}, refusal))), "lies", apperr.Unauthenticated, nil},
		"lies with an end": {signedIn(WithCarrier(t.Context(), follows(time.Unix(1, 0), refusal))), "lies", apperr.Unauthenticated, nil},
	} {
		got, err := reauthenticate(test.ctx, test.token)
		var refused *apperr.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, test.want, refused.Code, name)
		require.Equal(t, test.path, refused.Path, name)
		require.Nil(t, got, name)
	}
}

func TestTheCarriersCookieIsSetWhereThereIsAResponse(t *testing.T) {
	t.Parallel()
	var token string
	var expires time.Time
	ctx := WithCarrier(t.Context(), Carrier{SetCookie: func(t string, e time.Time) { token, expires = t, e }})
	SetCookie(ctx, "token", time.Unix(100, 0))
	require.Equal(t, "token", token)
	require.Equal(t, time.Unix(100, 0), expires)
	for _, none := range []context.Context{t.Context(), WithCarrier(t.Context(), Carrier{})} {
		require.NotPanics(t, func() { SetCookie(none, "token", time.Unix(100, 0)) })
	}
}

func TestTheAddressIsTheCarriers(t *testing.T) {
	t.Parallel()
	require.Equal(t, "::1", ClientAddress(WithCarrier(t.Context(), Carrier{Address: "::1"})))
	require.Empty(t, ClientAddress(t.Context()))
}
