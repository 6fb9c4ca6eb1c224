package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"parley/internal/account"
	"parley/internal/app"
	"parley/internal/auth"
)

func userCommand() *cobra.Command {
	user := &cobra.Command{Use: "user", Short: "Accounts"}
	user.AddCommand(createUserCommand(), userRoleCommand(), deleteUserCommand(), exportUserCommand())
	return user
}

func createUserCommand() *cobra.Command {
	var role, email string
	create := &cobra.Command{
		Use: "create", Short: "Make an account; the password comes from PARLEY_PASSWORD or the standard input", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			password, err := readPassword(cmd.InOrStdin())
			if err != nil {
				return err
			}
			u, err := app.CreateUser(cmd.Context(), cfg, account.SignUpInput{Email: email, Password: password}, auth.Role(strings.ToUpper(role)))
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), u.ID)
			return nil
		},
	}
	create.Flags().StringVar(&role, "role", "USER", "USER, ANALYST, SERVICE or ADMIN")
	create.Flags().StringVar(&email, "email", "", "the account's e-mail address")
	return create
}

func userRoleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "role EMAIL ROLE", Short: "Give an account another role: USER, ANALYST, SERVICE or ADMIN; its open connections end", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			u, err := app.SetUserRole(cmd.Context(), cfg, args[0], auth.Role(strings.ToUpper(args[1])))
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), u.ID, u.Role)
			return nil
		},
	}
}

func deleteUserCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete EMAIL", Short: "Delete an account with everything that is kept of it, without asking; its open connections end", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			u, err := app.DeleteUser(cmd.Context(), cfg, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), u.ID)
			return nil
		},
	}
}

func exportUserCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export EMAIL", Short: "Write everything that is kept of an account as lines of JSON, without secrets", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			_, err = app.ExportUser(cmd.Context(), cfg, args[0], cmd.OutOrStdout())
			return err
		},
	}
}

func readPassword(in io.Reader) (string, error) {
	if p := os.Getenv("PARLEY_PASSWORD"); p != "" {
		return p, nil
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("give the password in PARLEY_PASSWORD or on the standard input")
	}
	return line, nil
}
