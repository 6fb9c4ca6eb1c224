package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"parley/internal/app"
)

func seedCommand() *cobra.Command {
	var email string
	seed := &cobra.Command{
		Use: "seed", Short: "Give an account something to look at; within a day a second time adds nothing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			u, err := app.SeedUser(cmd.Context(), cfg, email)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), u.ID)
			return nil
		},
	}
	seed.Flags().StringVar(&email, "email", "", "the account's e-mail address")
	seed.AddCommand(seedStickersCommand())
	return seed
}

func seedStickersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stickers", Short: "Add the stickers that ship with parley, each once; one that was deleted stays away", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			added, err := app.SeedStickers(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "added", added)
			return nil
		},
	}
}
