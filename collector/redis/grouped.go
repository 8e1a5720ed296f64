package redis

import (
	"errors"
)

// Grouped reports whether the target stands for servers that are found at run time.
func (c *Config) Grouped() bool { return c.Cluster || c.Sentinel != nil }

func (c *Config) validateKeys() error {
	p, err := c.plan()
	if err != nil {
		return err
	}
	if c.Cluster && p.beyondFirst() {
		return errors.New("a cluster has no database but the first: leave out db1= and above")
	}
	return nil
}

func (c *Config) validateNodes() error {
	n := &c.Nodes
	switch {
	case c.Cluster && c.Sentinel != nil:
		return errors.New("cluster and sentinel exclude each other: keep one")
	case c.Sentinel != nil && c.Sentinel.Master == "":
		return errors.New("sentinel.master is missing: give the name by which the sentinel knows the primary")
	case !c.Grouped() && (len(n.Allow) > 0 || n.Hostnames || n.Username != "" || n.Password != "" || n.PasswordFile != ""):
		return errors.New("nodes is for targets with cluster or sentinel: leave it out, or add cluster: true")
	case c.Cluster && (n.Username != "" || n.Password != "" || n.PasswordFile != ""):
		return errors.New("nodes of a cluster share the target's own username and password: leave out those under nodes")
	case n.Password != "" && n.PasswordFile != "":
		return errors.New("nodes has both password and password_file: keep one, better password_file")
	case n.Username != "" && n.Password == "" && n.PasswordFile == "":
		return errors.New("nodes has a username and no password: add password_file")
	}
	_, err := c.allowed()
	return err
}

func (c *Config) allowed() (list []allowed, err error) {
	for _, text := range c.Nodes.Allow {
		a, err := parseAllowed(text)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// of returns how one of the target's servers is reached. The credentials are those of the target itself, unless it is a
// server that a sentinel watches and that has its own.
func (c *Config) of(n node) access {
	one := access{Config: *c, address: n.address}
	one.Name = c.Name + "@" + n.address
	one.Cluster, one.Sentinel, one.Nodes = false, nil, NodeConfig{}
	if own := c.Nodes; n.role != roleSentinel && (own.Password != "" || own.PasswordFile != "") {
		one.ownLogin = true
		one.Username, one.Password, one.PasswordFile = own.Username, own.Password, own.PasswordFile
	}
	return one
}
